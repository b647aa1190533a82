/**
 * Key names, and the tags that put a shard's keys into one slot of a Redis Cluster.
 *
 * ```
 * s:{tag}                                  meta of the shard: its time, its last generation
 * i:{tag}                                  index: blocks by their earliest possible deadline
 * p:{tag}:<protocol><address><block>       block: its ports' bindings and marks, and the lease
 * {tag}<inside endpoint>                   entry: the outside endpoint that it is bound to
 * x:{tag}:<inside endpoint>                its flows, but for the first one
 * a:{tag}:<datagram>                       how the fragments of a datagram are translated
 * y:{tag}:<protocol><address><destination> the last identification that datagrams were given
 * l:{tag}                                  session log
 * n:{tag}:<last byte of the address>       how many ports each subscriber has in the shard
 * ```
 *
 * A tag is two characters, chosen so that shard s lies near the middle of the s-th 64th of the
 * slots: however the slots are dealt to masters, each has its share of shards.
 */
import { SHARDS } from '@flowstore/flow';

export const SLOTS = 16_384;
const SLOTS_PER_SHARD = SLOTS / SHARDS;
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
/** The directory of members has a tag of its own. */
export const DIRECTORY_META_KEY = 's:{flowstore}';

/** CRC-16/XMODEM, what Redis Cluster takes of a tag (Redis Cluster specification, appendix A). */
export function crc16(text: string): number {
  let crc = 0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

export function slotOfTag(tag: string): number {
  return crc16(tag) % SLOTS;
}

/** By shard. Part of the record layout: never to change under a deployment that runs. */
export const SHARD_TAGS: readonly string[] = chooseTags();

function chooseTags(): string[] {
  const candidates = [...DIGITS].flatMap((a) => [...DIGITS].map((b) => a + b));
  return Array.from({ length: SHARDS }, (_, shard) => {
    const middle = shard * SLOTS_PER_SHARD + SLOTS_PER_SHARD / 2;
    const distance = (tag: string) => Math.abs(slotOfTag(tag) - middle);
    return candidates.reduce((best, tag) => (distance(tag) < distance(best) ? tag : best));
  });
}

export function metaKey(shard: number): string {
  return `s:{${SHARD_TAGS[shard]}}`;
}
