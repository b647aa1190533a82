/** For tests: puts flows into a store, as a gateway does. */
import {
  type Endpoint,
  firstPortOfBlock,
  IN_DATA,
  OUT_DATA,
  parseAddress,
  shardOfInside,
  UDP,
} from '@flowstore/flow';
import type { FlowStore, OpenRequest, StoredEntry } from '@flowstore/flow-store';

const OUTSIDE = parseAddress('203.0.113.1');
const CLIENT = parseAddress('198.18.1.10');
export const PEER = { address: parseAddress('198.51.100.10'), port: 443 };
export const INCARNATION = '00000000000000aa';

/** The client's endpoint with that port. */
export function insideAt(protocol: number, port: number): Endpoint {
  return { domain: 0, protocol, address: CLIENT, port };
}

/** Opens one flow for each of `count` inside endpoints; returns those. Where they are revived their
 * bindings are there already, dead, and no port is proposed. */
export async function plant(
  store: FlowStore,
  protocol: number,
  count: number,
  firstPort = 10_000,
  flags = OUT_DATA | IN_DATA,
  bindings: 'new' | 'revived' = 'new',
): Promise<Endpoint[]> {
  const insides = Array.from({ length: count }, (_, i) => insideAt(protocol, firstPort + i));
  await plantAt(store, insides, flags, bindings);
  return insides;
}

export async function plantAt(
  store: FlowStore,
  insides: readonly Endpoint[],
  flags: number,
  bindings: 'new' | 'revived' = 'new',
): Promise<StoredEntry[]> {
  const free = new Map<number, number[]>();
  const requests: OpenRequest[] = [];
  for (const [i, inside] of insides.entries()) {
    const { protocol } = inside;
    const shard = shardOfInside(inside);
    const ports = free.get(shard) ?? [];
    if (ports.length === 0 && bindings === 'new')
      ports.push(...(await leasePorts(store, shard, protocol, i)));
    free.set(shard, ports);
    requests.push({
      inside,
      remote: protocol === UDP ? null : PEER,
      proposal: bindings === 'revived' ? null : { address: OUTSIDE, port: ports.pop()! },
      incarnation: INCARNATION,
      nonce: i + 1,
      seen: { flags, ageMs: 0, rstAgeMs: null },
      replaces: null,
    });
  }
  const results = await store.open(requests);
  return results.map((result) => {
    if (result?.kind === 'created') return result.entry;
    throw new Error(`a flow could not be planted: ${result?.kind}`);
  });
}

async function leasePorts(
  store: FlowStore,
  shard: number,
  protocol: number,
  start: number,
): Promise<number[]> {
  const request = { shard, protocol, address: OUTSIDE, incarnation: INCARNATION, blocks: 1, start };
  const [result] = await store.lease([request]);
  if (result?.kind !== 'granted') throw new Error('no block to lease');
  const { block, freePorts } = result.blocks[0]!;
  const ports = Array.from({ length: 16 }, (_, i) => i).filter((i) => (freePorts >> i) & 1);
  return ports.map((i) => firstPortOfBlock(block) + i);
}

/** Those of the TCP connections planted at `insides` that the store still finds. */
export async function survivors(store: FlowStore, insides: readonly Endpoint[]): Promise<number> {
  const requests = insides.map((inside) => ({
    direction: 'inside' as const,
    inside,
    remote: PEER,
  }));
  const results = await store.find(requests);
  return results.filter((result) => result?.kind === 'entry' && result.entry.flow !== null).length;
}
