/** The people of the conformance tests: inside endpoints, peers, gateways with leased ports. */
import {
  blockOfShard,
  type Endpoint,
  firstPortOfBlock,
  formatEndpoint,
  type Identity,
  type IpAddress,
  OUT_SYN,
  parseAddress,
  type SocketAddress,
  shardOfInside,
  TCP,
  UDP,
} from '@flowstore/flow';
import type { FlowStore, LeasedBlock, OpenRequest, OpenResult, Sighting } from '../contract.ts';
import { CONFORMANCE_CONFIG, type Harness } from './harness.ts';

export const SHARD = 5;
export const GATEWAY_1 = '00000000000000a1';
export const GATEWAY_2 = '00000000000000b2';
/** A timeout, a third of it, and the slack of an outage and the clocks. */
export const UDP_LIFE_MS = 300_000 + 100_000 + 95_000;
export const JUST_NOW: Sighting = { flags: OUT_SYN, ageMs: 0, rstAgeMs: null };
export const NOTHING_SEEN: Sighting = { flags: 0, ageMs: null, rstAgeMs: null };
export const WEB: SocketAddress = { address: parseAddress('198.51.100.10'), port: 80 };
export const OTHER_WEB: SocketAddress = { address: parseAddress('198.51.100.20'), port: 443 };
export const POOL = parseAddress('203.0.113.1');
export const POOL_V6 = parseAddress('2001:db8:ffff::1');

/** The n-th inside endpoint of an address that belongs to SHARD. */
export function insideOf(protocol: number, n: number, address = '198.18.1.10'): Endpoint {
  const inside = { domain: 0, protocol, address: parseAddress(address), port: 1023 };
  for (let found = -1; found < n; ) {
    inside.port += 1;
    if (shardOfInside(inside) === SHARD) found += 1;
  }
  return inside;
}

export const udp = (n = 0): Endpoint => insideOf(UDP, n);
export const tcp = (n = 0): Endpoint => insideOf(TCP, n);

export function seen(flags: number, ageMs: number | null = 0): Sighting {
  return { flags, ageMs, rstAgeMs: null };
}

export class Scenario {
  readonly harness: Harness;
  readonly store: FlowStore;
  /** By inside endpoint: where it was bound last, as far as openings said. */
  readonly #outsides = new Map<string, SocketAddress>();
  #lastNonce = 0;

  constructor(harness: Harness, store = harness.store) {
    this.harness = harness;
    this.store = store;
  }

  nonce(): number {
    this.#lastNonce += 1;
    return this.#lastNonce;
  }

  async lease(protocol: number, incarnation = GATEWAY_1, start = 0, address = POOL) {
    const request = { shard: SHARD, protocol, address, incarnation, blocks: 1, start };
    const [result] = await this.store.lease([request]);
    if (result?.kind !== 'granted') throw new Error('no block was granted');
    return result.blocks[0]!;
  }

  /** The n-th port of a block that was leased for it. */
  async port(protocol: number, incarnation = GATEWAY_1, address: IpAddress = POOL) {
    const block = await this.lease(protocol, incarnation, 0, address);
    return portOf(block, 0);
  }

  async open(inside: Endpoint, more: Partial<OpenRequest> = {}): Promise<OpenResult> {
    const [result] = await this.store.open([this.opening(inside, more)]);
    if (result?.kind === 'created' || result?.kind === 'exists') {
      this.#outsides.set(formatEndpoint(inside), result.entry.outside);
    }
    return result!;
  }

  opening(inside: Endpoint, more: Partial<OpenRequest> = {}): OpenRequest {
    return {
      inside,
      remote: inside.protocol === TCP ? WEB : null,
      proposal: null,
      incarnation: GATEWAY_1,
      nonce: this.nonce(),
      seen: JUST_NOW,
      replaces: null,
      ...more,
    };
  }

  /** Opens on a freshly leased port, which must work, and gives the entry. */
  async bound(inside: Endpoint, more: Partial<OpenRequest> = {}) {
    const address = inside.address.length === 4 ? POOL : POOL_V6;
    const proposal = await this.port(inside.protocol, more.incarnation, address);
    return created(await this.open(inside, { proposal, ...more }));
  }

  async find(inside: Endpoint, remote: SocketAddress | null = null) {
    const [result] = await this.store.find([{ direction: 'inside', inside, remote }]);
    return result!;
  }

  async findOutside(protocol: number, outside: SocketAddress, remote: SocketAddress | null = null) {
    const request = { direction: 'outside', protocol, outside, remote } as const;
    const [result] = await this.store.find([request]);
    return result!;
  }

  async touch(
    inside: Endpoint,
    remote: SocketAddress | null,
    identity: Identity,
    sighting: Sighting,
  ) {
    const { protocol } = inside;
    const anywhere = {
      address: POOL,
      port: firstPortOfBlock(blockOfShard(SHARD, protocol, POOL, 0)),
    };
    const outside = this.#outsides.get(formatEndpoint(inside)) ?? anywhere;
    const request = { inside, outside, remote, identity, seen: sighting };
    const [result] = await this.store.touch([request]);
    return result!;
  }

  async close(
    inside: Endpoint,
    remote: SocketAddress | null,
    identity: Identity,
    reason: 'idle' | 'cancel' = 'cancel',
  ) {
    const [result] = await this.store.close([{ inside, remote, identity, reason }]);
    return result!;
  }

  sweep(looksMax = 1_000) {
    return this.store.sweep(SHARD, looksMax);
  }
}

export function portOf(block: LeasedBlock, n: number): SocketAddress {
  return { address: block.address, port: firstPortOfBlock(block.block) + n };
}

export function created(result: OpenResult) {
  if (result.kind !== 'created') throw new Error(`not created but ${result.kind}`);
  return result.entry;
}

/** A gateway is heard. */
export async function hear(s: Scenario, incarnation = GATEWAY_1): Promise<boolean> {
  const [result] = await s.store.feed([{ shard: SHARD, incarnation, last: null, nonce: 1 }]);
  return result!.inGrace;
}

/** Time passes, and somebody is heard all the while. */
export async function pass(s: Scenario, ms: number): Promise<void> {
  const { heartbeatMs } = CONFORMANCE_CONFIG;
  for (let left = ms; left > 0; left -= heartbeatMs) {
    await s.harness.advance(Math.min(left, heartbeatMs));
    await hear(s);
  }
}
