/**
 * Which blocks of outside ports are kept out of the dealing, because a port forward has a port of
 * theirs. A block goes as a whole, so that a lease is as it always was; a forward costs its
 * address up to 16 ports of its protocol beside its own. Ports below 1024 are never dealt.
 */
import {
  BLOCK_PORTS,
  FIRST_PORT,
  ipv4ToNumber,
  PORTS,
  type PortForward,
  parsePortForward,
  shardOfBlock,
} from '@flowstore/flow';
import type { PortRange } from './port-blocks.ts';

export class ReservedBlocks {
  readonly #blocks = new Map<string, Set<number>>();

  constructor(portForwards: readonly PortForward[]) {
    for (const { protocol, outside, count } of portForwards.map(parsePortForward)) {
      const first = outside % PORTS;
      const last = first + count - 1;
      if (last < FIRST_PORT) continue;
      const key = keyOf(protocol, Math.floor(outside / PORTS));
      const blocks = this.#blocks.get(key) ?? new Set();
      const blockOf = (port: number) => Math.floor((port - FIRST_PORT) / BLOCK_PORTS);
      for (let block = blockOf(Math.max(first, FIRST_PORT)); block <= blockOf(last); block++) {
        blocks.add(block);
      }
      this.#blocks.set(key, blocks);
    }
  }

  has({ protocol, address }: PortRange, block: number): boolean {
    return this.#blocks.get(keyOf(protocol, ipv4ToNumber(address)))?.has(block) ?? false;
  }

  /** Those of the range's shard. */
  of({ shard, protocol, address }: PortRange): number[] {
    const blocks = this.#blocks.get(keyOf(protocol, ipv4ToNumber(address))) ?? [];
    return [...blocks].filter((block) => shardOfBlock({ protocol, address, block }) === shard);
  }
}

function keyOf(protocol: number, address: number): string {
  return `${protocol}/${address}`;
}
