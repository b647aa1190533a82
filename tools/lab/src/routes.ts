// The two routers' ECMP routes. A change is one `route replace` with the nexthops that remain, so
// packets of flows over the other gateways never meet a moment without a route.
import { ip } from './ip.ts';
import {
  clientBridge,
  lanNamespace,
  linkAddresses,
  poolPrefix,
  type Side,
  wanNamespace,
} from './plan.ts';

const routers: { side: Side; namespace: string; prefix: string }[] = [
  { side: 'inside', namespace: lanNamespace, prefix: 'default' },
  { side: 'outside', namespace: wanNamespace, prefix: poolPrefix },
];

export function routeArguments(side: Side, prefix: string, gateways: readonly number[]): string[] {
  if (gateways.length === 0) return ['route', 'del', prefix];
  const hops = gateways.flatMap((index) => ['nexthop', 'via', linkAddresses(side, index).gateway]);
  return ['route', 'replace', prefix, ...hops];
}

/** Sends the traffic over exactly these gateways, in both directions. */
export async function setRoutes(gateways: readonly number[]): Promise<void> {
  await Promise.all(
    routers.map(async ({ side, namespace, prefix }) => {
      const change = ip(['-n', namespace, ...routeArguments(side, prefix, gateways)]);
      // Taking away the last one may find it gone already; that is what was wanted.
      await (gateways.length === 0 ? change.catch(() => {}) : change);
    }),
  );
}

export type FlowTuple = {
  protocol: 'tcp' | 'udp';
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
};

/**
 * The gateway that carries a client's flow to the servers now, as the router's kernel would choose
 * it. The way back may be another gateway's: its hash sees the translated tuple.
 */
export async function carrierOf(flow: FlowTuple): Promise<string | undefined> {
  const { protocol, source, sourcePort, destination, destinationPort } = flow;
  const tuple = `ipproto ${protocol} sport ${sourcePort} dport ${destinationPort}`.split(' ');
  const from = ['from', source, 'iif', clientBridge];
  const args = ['-n', lanNamespace, '-json', 'route', 'get', destination, ...from, ...tuple];
  const [route] = JSON.parse(await ip(args)) as { dev?: string }[];
  // The router's devices towards the gateways bear the gateways' names.
  return route?.dev;
}
