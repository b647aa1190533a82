/** How fragmented datagrams of one shard are translated, and the counts of identifications. */
import {
  DATAGRAM_LIFE_MS,
  type Datagram,
  FRAGMENT_LIFE_MS,
  packDatagram,
  SHARDS,
} from '@flowstore/flow';
import type { FragmentRequest, FragmentResult, Translation } from '../fragments.ts';

/** Identifications of the store have the highest bit, the shard as the lowest ones. */
const SPLIT = 0x8000;
const SEQUENCES = 0x8000 / SHARDS;

interface Kept<Value> {
  readonly value: Value;
  readonly untilMs: number;
}

export class ModelFragments {
  readonly #translations = new Map<string, Kept<Translation>>();
  readonly #sequences = new Map<string, Kept<number>>();

  copyFrom(other: ModelFragments): void {
    for (const [key, kept] of other.#translations) this.#translations.set(key, kept);
    for (const [key, kept] of other.#sequences) this.#sequences.set(key, kept);
  }

  answer({ datagram, told, start }: FragmentRequest, shard: number, nowMs: number): FragmentResult {
    const key = hex(packDatagram(datagram));
    const kept = recall(this.#translations, key, nowMs);
    if (told === null) return kept === null ? { kind: 'unknown' } : { kind: 'known', ...kept };
    const { address } = told;
    const isSame = kept !== null && hex(kept.address) === hex(address);
    const identification = isSame
      ? kept.identification
      : (told.identification ?? this.#next(datagram, address, shard, start, nowMs));
    const value = { address, identification };
    this.#translations.set(key, { value, untilMs: nowMs + FRAGMENT_LIFE_MS });
    return { kind: 'known', ...value };
  }

  #next(
    { protocol, destination }: Datagram,
    address: Uint8Array,
    shard: number,
    start: number,
    nowMs: number,
  ): number {
    const key = `${protocol}/${hex(address)}/${hex(destination)}`;
    const last = recall(this.#sequences, key, nowMs);
    const value = (last === null ? start : last + 1) % SEQUENCES;
    this.#sequences.set(key, { value, untilMs: nowMs + DATAGRAM_LIFE_MS });
    return SPLIT + value * SHARDS + shard;
  }
}

function recall<Value>(map: Map<string, Kept<Value>>, key: string, nowMs: number): Value | null {
  const kept = map.get(key);
  return kept !== undefined && kept.untilMs > nowMs ? kept.value : null;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
