/**
 * A router of docker-compose.yml: ECMP over those gateways that are ready, as BGP with BFD does it
 * in earnest. The name server of the containers says which gateways there are, /readyz over the
 * very link that the traffic takes says which of them are to get any.
 *
 *   router.ts --gateways NAME --prefix PREFIX [--port 9464]
 */
import { execFile } from 'node:child_process';
import { resolve4 } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { isGone, nextHops, routeArguments, type Verdict } from './ecmp.ts';

const EVERY_MS = 200;
const ANSWER_MS_MAX = 500;

const run = promisify(execFile);
const { values } = parseArgs({
  options: {
    gateways: { type: 'string', default: 'gateway' },
    prefix: { type: 'string', default: 'default' },
    port: { type: 'string', default: '9464' },
  },
});

async function ask(address: string): Promise<Verdict> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const reply = await fetch(`http://${address}:${values.port}/readyz`, { signal });
    await reply.arrayBuffer();
    return reply.ok ? 'ready' : 'unready';
  } catch (error) {
    return isGone(error) ? 'unready' : 'silent';
  }
}

/** None, when the name is not known: no gateway runs. */
const addresses = () => resolve4(values.gateways).catch((): string[] => []);

async function main(): Promise<void> {
  const silences = new Map<string, number>();
  let routed = 'nothing yet';
  for (;;) {
    const known = await addresses();
    const verdicts = await Promise.all(known.map(async (each) => [each, await ask(each)] as const));
    const hops = nextHops(verdicts, silences);
    if (hops.join(' ') !== routed) {
      await run('ip', routeArguments(values.prefix, hops));
      routed = hops.join(' ');
      console.log(JSON.stringify({ event: 'routes', prefix: values.prefix, gateways: hops }));
    }
    await delay(EVERY_MS);
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
await main();
