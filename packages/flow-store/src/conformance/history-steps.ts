/**
 * The steps of random histories: a small world, so that requests meet. Few endpoints, few ports,
 * two gateways, identities old and new. A step becomes a call by what was learned until then.
 */
import {
  ANY_PORT,
  BLOCK_PORTS,
  blockOfShard,
  type Endpoint,
  firstPortOfBlock,
  hasFlowPerRemote,
  type Identity,
  type SocketAddress,
  UDP,
} from '@flowstore/flow';
import fc from 'fast-check';
import type * as contract from '../contract.ts';
import { CONFORMANCE_CONFIG } from './harness.ts';
import { GATEWAY_1, GATEWAY_2, OTHER_WEB, POOL, SHARD, tcp, udp, WEB } from './scenario.ts';

/** So small that limits are met. */
export const HISTORY_CONFIG = { ...CONFORMANCE_CONFIG, flowsPerEndpointMax: 2 };
/** A sweep looks at all that is due. */
export const LOOKS_MAX = 999;
const INSIDES: Endpoint[] = [udp(0), udp(1), tcp(0), tcp(0), tcp(1)];
const REMOTES: SocketAddress[] = [WEB, OTHER_WEB, { ...WEB, port: 8080 }];
const INCARNATIONS = [GATEWAY_1, GATEWAY_2];

/** The shard's first blocks of the outside address: few enough to be fought for. */
function blockAt(protocol: number, number: number): number {
  return blockOfShard(SHARD, protocol, POOL, number);
}

export type Step =
  | {
      op: 'open';
      inside: number;
      remote: number;
      /** 4: any. */
      port: number | null;
      foreign: boolean;
      nonce: number;
      seen: contract.Sighting;
      replaces: number | null;
    }
  | { op: 'find'; inside: number; remote: number | null; port: number | null }
  | { op: 'touch'; flow: number; identity: number | null; seen: contract.Sighting }
  | { op: 'close'; flow: number; identity: number | null; idle: boolean }
  | { op: 'sweep' }
  | { op: 'lease'; protocol: number; gateway: number; blocks: number; start: number }
  | { op: 'renew' | 'release'; block: number; foreign: boolean; protocol: number }
  | { op: 'advance'; ms: number };

/** Every history begins with both gateways holding a block of each protocol. */
export const OPENING: readonly Step[] = [0, 1].flatMap((gateway) =>
  [6, 17].map((protocol) => ({ op: 'lease', protocol, gateway, blocks: 1, start: 0 }) as const),
);

const index = (count: number) => fc.nat({ max: count - 1 });
const seldom = fc.nat({ max: 7 }).map((n) => n === 0);
const seen = fc.record({
  flags: fc.nat({ max: 63 }),
  ageMs: fc.constantFrom(null, 0, 0, 1, 1_000, 100_000),
  rstAgeMs: fc.option(fc.constantFrom(0, 5, 900), { freq: 4 }),
});
const inside = index(INSIDES.length);
const remote = fc.option(index(REMOTES.length), { freq: 5 });
const port = fc.option(index(4), { freq: 5 });
const flow = fc.nat({ max: 5 });
/** Mostly the flow's own: null. */
const identity = fc.option(fc.nat({ max: 7 }), { freq: 1 }).map((n) => (n === 7 ? null : n));
const protocol = fc.constantFrom(6, 17);
const start = fc.constantFrom(0, 0, 1, 62);
const blocks = fc.integer({ min: 1, max: 2 });
const ms = fc.constantFrom(1, 1_000, 30_000, 60_000, 60_000, 89_999, 125_000, 415_000, 495_000);

function stepOf<Op extends Step['op'], Fields extends object>(
  weight: number,
  op: Op,
  fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
) {
  return { weight, arbitrary: fc.record({ op: fc.constant(op), ...fields }) };
}

export const anyStep = fc.oneof(
  stepOf(8, 'open', {
    inside,
    remote: index(REMOTES.length),
    port: fc.option(index(5), { freq: 5 }),
    foreign: seldom,
    nonce: fc.integer({ min: 1, max: 3 }),
    seen,
    replaces: fc.option(fc.nat({ max: 3 }), { freq: 2 }),
  }),
  stepOf(3, 'find', { inside, remote, port }),
  stepOf(6, 'touch', { flow, identity, seen }),
  stepOf(5, 'close', { flow, identity, idle: fc.boolean() }),
  stepOf(2, 'sweep', {}),
  stepOf(3, 'lease', { protocol, gateway: index(2), blocks, start }),
  stepOf(5, 'renew', { block: index(2), foreign: seldom, protocol }),
  stepOf(1, 'release', { block: index(2), foreign: seldom, protocol }),
  stepOf(3, 'advance', { ms }),
) as fc.Arbitrary<Step>;

/** The first and the last port of the first block, and of the second. */
function portOf(protocol: number, port: number): SocketAddress {
  const first = firstPortOfBlock(blockAt(protocol, port >> 1));
  return { address: POOL, port: first + (port & 1) * (BLOCK_PORTS - 1) };
}

interface KnownFlow {
  readonly inside: Endpoint;
  readonly outside: SocketAddress;
  readonly remote: SocketAddress | null;
  readonly identity: Identity;
}

/** What openings answered, the last in front, so that steps can name flows by number. */
export class Known {
  readonly #flows: KnownFlow[] = [];

  learn(call: Call, answer: Answer): void {
    if (call.op !== 'open') return;
    const result = answer as contract.OpenResult;
    if (result.kind !== 'created' && result.kind !== 'exists') return;
    const { inside, remote } = call.request;
    const { binding, flow, outside } = result.entry;
    this.#flows.unshift({ inside, outside, remote: null, identity: binding.identity });
    if (flow !== null) this.#flows.unshift({ inside, outside, remote, identity: flow.identity });
  }

  flow(number: number): KnownFlow {
    const identity = { generation: 1, nonce: 1 };
    const none = { inside: INSIDES[0]!, outside: portOf(UDP, 0), remote: null, identity };
    return this.#flows[number] ?? none;
  }

  /** The flow's own identity, or for null another's. */
  request({ flow, identity }: { flow: number; identity: number | null }): KnownFlow {
    const known = this.flow(flow);
    return identity === null ? known : { ...known, identity: this.flow(identity).identity };
  }
}

/** What a step sends, or how far it moves the store's time. */
export type Call =
  | { readonly op: 'open'; readonly request: contract.OpenRequest }
  | { readonly op: 'find'; readonly request: contract.FindRequest }
  | { readonly op: 'touch'; readonly request: contract.TouchRequest }
  | { readonly op: 'close'; readonly request: contract.CloseRequest }
  | { readonly op: 'lease'; readonly request: contract.LeaseRequest }
  | { readonly op: 'renew' | 'release'; readonly request: contract.LeaseRef }
  | { readonly op: 'sweep' | 'look' }
  | { readonly op: 'advance'; readonly ms: number };

/** What `look` asks for: all that there may be, so that a state is known by it. */
export const LOOK: readonly contract.FindRequest[] = INSIDES.flatMap((inside) =>
  (hasFlowPerRemote(HISTORY_CONFIG.filtering, inside.protocol) ? REMOTES : [null]).map((remote) => {
    return { direction: 'inside', inside, remote };
  }),
);

export function callOf(step: Step, known: Known): Call {
  switch (step.op) {
    case 'advance':
    case 'sweep':
      return step;
    case 'open':
      return { op: 'open', request: openRequest(step, known) };
    case 'find': {
      const at = INSIDES[step.inside]!;
      const peer = step.remote === null ? null : REMOTES[step.remote]!;
      if (step.port === null)
        return { op: 'find', request: { direction: 'inside', inside: at, remote: peer } };
      const outside = portOf(at.protocol, step.port);
      const { protocol } = at;
      return { op: 'find', request: { direction: 'outside', protocol, outside, remote: peer } };
    }
    case 'touch': {
      const { inside, outside, remote, identity } = known.request(step);
      const peer = hasFlowPerRemote(HISTORY_CONFIG.filtering, inside.protocol)
        ? (remote ?? WEB)
        : null;
      const request = { inside, outside, remote: peer, identity, seen: step.seen };
      return { op: 'touch', request };
    }
    case 'close': {
      const reason = step.idle ? 'idle' : 'cancel';
      return { op: 'close', request: { ...known.request(step), reason } };
    }
    case 'lease': {
      const { protocol, blocks, start } = step;
      const incarnation = INCARNATIONS[step.gateway]!;
      const request = { shard: SHARD, protocol, address: POOL, incarnation, blocks, start };
      return { op: 'lease', request };
    }
    default: {
      const { op, protocol, block, foreign } = step;
      const incarnation = holderOf(block, foreign);
      const request = { protocol, address: POOL, block: blockAt(protocol, block), incarnation };
      return { op, request };
    }
  }
}

/** As far as the contract goes: how much an index knows ahead is the store's own affair. */
export function sweptOf(result: contract.SweepResult) {
  const { flowsDeleted, bindingsDeleted, rowsOrphaned, portsFreed, leasesExpired } = result;
  return { kind: 'done', flowsDeleted, bindingsDeleted, rowsOrphaned, portsFreed, leasesExpired };
}

export function lookedOf(found: readonly (contract.FindResult | null)[]) {
  return { kind: 'looked', found };
}

export type Answer = { readonly kind?: string } | null;

/** Nothing is answered to who moves the time, by `advance`. */
export async function perform(
  store: contract.FlowStore,
  call: Call,
  advance: (ms: number) => Promise<void>,
): Promise<Answer> {
  switch (call.op) {
    case 'advance':
      await advance(call.ms);
      return null;
    case 'sweep':
      return sweptOf(await store.sweep(SHARD, LOOKS_MAX));
    case 'look':
      return lookedOf(await store.find(LOOK));
    case 'open':
      return (await store.open([call.request]))[0]!;
    case 'find':
      return (await store.find([call.request]))[0]!;
    case 'touch':
      return (await store.touch([call.request]))[0]!;
    case 'close':
      return (await store.close([call.request]))[0]!;
    case 'lease':
      return (await store.lease([call.request]))[0]!;
    case 'renew':
      return (await store.renew([call.request]))[0]!;
    case 'release':
      return (await store.release([call.request]))[0]!;
  }
}

function openRequest(step: Step & { op: 'open' }, known: Known): contract.OpenRequest {
  const at = INSIDES[step.inside]!;
  return {
    inside: at,
    remote: hasFlowPerRemote(HISTORY_CONFIG.filtering, at.protocol) ? REMOTES[step.remote]! : null,
    proposal: step.port === null ? null : proposalOf(at.protocol, step.port),
    incarnation: holderOf(((step.port ?? 0) >> 1) & 1, step.foreign),
    nonce: step.nonce,
    seen: step.seen,
    replaces: step.replaces === null ? null : known.flow(step.replaces).identity,
  };
}

function proposalOf(protocol: number, port: number): SocketAddress {
  return port === 4 ? { address: POOL, port: ANY_PORT } : portOf(protocol, port);
}

/** Mostly the gateway that leased the block when the history began. */
function holderOf(block: number, foreign: boolean): string {
  return INCARNATIONS[foreign ? 1 - block : block]!;
}
