/**
 * The fragmented datagrams whose translation is known here. A cache of the store: what is forgotten
 * for want of room, or because all of it seems to have passed, is asked for when a fragment comes.
 * All live equally long, so they end in the order in which they came.
 */
import { FRAGMENT_LIFE_MS } from '@flowstore/flow';
import { fragmentOffset, isLastFragment, type Packet } from '@flowstore/nat';

export interface KnownDatagram {
  readonly key: string;
  /** What the fragments' source (from inside) or destination (from outside) becomes. */
  readonly address: number;
  /** The inside network that they go to; 0 for those from inside. */
  readonly domain: number;
  readonly identification: number;
  readonly untilMs: number;
  /** Bytes of its payload that passed here, and how many it has; Infinity before the last came. */
  passedBytes: number;
  payloadBytes: number;
}

/** What the address of a datagram's fragments becomes, and in which network that is. */
export type Place = Pick<KnownDatagram, 'address' | 'domain'>;

export class Datagrams {
  readonly #max: number;
  readonly #byKey = new Map<string, KnownDatagram>();
  /** Known ones that made room for others. */
  forgotten = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#byKey.size;
  }

  find(key: string, nowMs: number): KnownDatagram | undefined {
    const known = this.#byKey.get(key);
    return known !== undefined && known.untilMs > nowMs ? known : undefined;
  }

  put(key: string, { address, domain }: Place, identification: number, nowMs: number) {
    const untilMs = nowMs + FRAGMENT_LIFE_MS;
    const payloadBytes = Number.POSITIVE_INFINITY;
    const known: KnownDatagram = {
      key,
      address,
      domain,
      identification,
      untilMs,
      passedBytes: 0,
      payloadBytes,
    };
    this.#byKey.delete(key);
    this.#byKey.set(key, known);
    if (this.#byKey.size > this.#max) {
      const [oldest] = this.#byKey.keys();
      this.#byKey.delete(oldest!);
      this.forgotten++;
    }
    return known;
  }

  /** A fragment passes. Once as much has as the datagram has it is forgotten: overlapping ones may
   * make that too early, which costs a question. */
  pass(known: KnownDatagram, packet: Packet): void {
    const { transportLength } = packet;
    known.passedBytes += transportLength;
    if (isLastFragment(packet)) known.payloadBytes = fragmentOffset(packet) + transportLength;
    if (known.passedBytes >= known.payloadBytes) this.#byKey.delete(known.key);
  }

  tick(nowMs: number): void {
    for (const { key, untilMs } of this.#byKey.values()) {
      if (untilMs > nowMs) return;
      this.#byKey.delete(key);
    }
  }
}
