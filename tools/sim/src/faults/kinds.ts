/**
 * Everything that can go wrong: what it does, how often, how long, and whether the protocol of
 * today is promised to survive it. `begin` does it and returns what undoes it.
 */
import type { ClusterConfig, Timeouts } from '@flowstore/flow';
import { type Plan, TIMEOUTS_GROW_MAX } from '../plan.ts';
import type { GatewayBox } from '../world/gateway-box.ts';
import type { World } from '../world/world.ts';
import { LOSS_KINDS } from './loss-kinds.ts';
import { NETWORK_KINDS } from './network-kinds.ts';
import { PEER_KINDS } from './peer-kinds.ts';
import type { FaultEvent } from './schedule.ts';
import { STORE_KINDS } from './store-kinds.ts';

export interface FaultKind {
  readonly name: string;
  readonly what: string;
  /** How often, compared with the others. */
  readonly rate: number;
  /** Why the protocol of today is not promised to survive it; null where it is. */
  readonly disabled: string | null;
  /** Shortest and longest. */
  durationMs(config: ClusterConfig): readonly [number, number];
  begin(world: World, event: FaultEvent): (() => void) | undefined;
}

const DETECT_MS = 100;

/** How long a gateway or its connection may be away: the slack covers that and more. */
export function awayMs({ slack }: ClusterConfig): readonly [number, number] {
  return [200, slack.outageMs * 0.6];
}

export function boxOf({ boxes }: World, { target }: FaultEvent): GatewayBox {
  return boxes[target % boxes.length]!;
}

/** The box is in trouble until the returned function is called. */
export function trouble(box: GatewayBox): () => void {
  box.beginTrouble();
  return () => box.endTrouble();
}

function routesAway(world: World, index: number): void {
  for (const router of world.network.routers) router.remove(index);
}

function routesBack(world: World, index: number): void {
  if (world.boxes[index]!.core === null) return;
  for (const router of world.network.routers) router.add(index);
}

/** Of those that the day began with, so that they stay within bounds, however often they change. */
function otherTimeouts({ config }: Plan, target: number, force: number): Timeouts {
  const factor = [0.5, 1, TIMEOUTS_GROW_MAX][target % 3]!;
  const scaled = (ms: number) => Math.round(ms * factor);
  const { tcpEstablishedMs, tcpTransitoryMs, tcpClosingMs, udpMs, icmpMs } = config.timeouts;
  return {
    tcpEstablishedMs: scaled(force < 0.5 ? tcpTransitoryMs : tcpEstablishedMs),
    tcpTransitoryMs: scaled(tcpTransitoryMs),
    tcpClosingMs: scaled(tcpClosingMs),
    udpMs: scaled(udpMs),
    icmpMs: scaled(icmpMs),
  };
}

const GATEWAY_KINDS: readonly FaultKind[] = [
  {
    name: 'gatewayKill',
    what: 'a gateway dies; the routers drop it within 100 ms; it starts again later',
    rate: 3,
    disabled: null,
    durationMs: ({ leaseMs }) => [200, leaseMs * 2],
    begin(world, event) {
      const box = boxOf(world, event);
      const index = event.target % world.boxes.length;
      box.kill();
      world.timeline.after(DETECT_MS * event.force, () => routesAway(world, index));
      return () => box.life === null && box.start();
    },
  },
  {
    name: 'gatewayKillUnseen',
    what: 'a gateway dies, and the routers take seconds to notice',
    rate: 1,
    disabled: null,
    durationMs: ({ leaseMs }) => [6_000, 6_000 + leaseMs],
    begin(world, event) {
      const box = boxOf(world, event);
      const index = event.target % world.boxes.length;
      box.kill();
      world.timeline.after(5_000 * event.force, () => routesAway(world, index));
      return () => box.life === null && box.start();
    },
  },
  {
    name: 'gatewayPause',
    what: 'a gateway gets no time (a long GC, SIGSTOP): packets and replies queue up',
    rate: 2,
    disabled: null,
    durationMs: awayMs,
    begin(world, event) {
      const box = boxOf(world, event);
      const { life } = box;
      box.freeze('paused');
      return () => box.life === life && box.thaw();
    },
  },
  {
    name: 'gatewaySuspend',
    what: 'a gateway’s machine is suspended: it hears nothing, its clock goes on',
    rate: 2,
    disabled: null,
    durationMs: ({ cacheLeaseMs, slack }) => [cacheLeaseMs / 2, slack.outageMs * 0.75],
    begin(world, event) {
      const box = boxOf(world, event);
      const { life } = box;
      box.freeze('suspended');
      return () => box.life === life && box.thaw();
    },
  },
  {
    name: 'gatewayRestart',
    what: 'a gateway stops in order, and starts again',
    rate: 1,
    disabled: null,
    durationMs: () => [2_500, 15_000],
    begin(world, event) {
      const box = boxOf(world, event);
      box.stop();
      return () => box.life === null && box.start();
    },
  },
  {
    name: 'configReload',
    what: 'other timeouts are published: all go by both, and then by those, with nobody restarted',
    rate: 0.3,
    disabled: null,
    durationMs: () => [0, 0],
    begin({ operator, plan }, { target, force }) {
      operator.publish((holds) => ({ ...holds, timeouts: otherTimeouts(plan, target, force) }));
      return undefined;
    },
  },
  {
    name: 'routeFlap',
    what: 'both routers lose a gateway’s route for a while; the gateway lives',
    rate: 2,
    disabled: null,
    durationMs: () => [50, 20_000],
    begin(world, event) {
      const index = event.target % world.boxes.length;
      routesAway(world, index);
      return () => routesBack(world, index);
    },
  },
];

export const FAULT_KINDS: readonly FaultKind[] = [
  ...NETWORK_KINDS,
  ...GATEWAY_KINDS,
  ...STORE_KINDS,
  ...LOSS_KINDS,
  ...PEER_KINDS,
];

export const ENABLED_KINDS = FAULT_KINDS.filter(({ disabled }) => disabled === null);

export function kindNamed(name: string): FaultKind {
  const kind = FAULT_KINDS.find((one) => one.name === name);
  if (kind === undefined) throw new Error(`there is no fault ${name}`);
  return kind;
}
