/**
 * Datagrams that come in fragments. The first one is translated by its flow like any packet, and
 * tells how the others go, which have no ports: these are translated in their addresses alone, as
 * they come, and nothing is put together.
 *
 * ```
 *   first, from inside  --> told to the store, waits for the answer, which has its identification
 *   first, from outside --> told to the store, goes on at once
 *   later, known here   --> goes on
 *   later, not known    --> waits; the store is asked, and again after 5, 10, 20 ms..
 * ```
 *
 * The first from inside waits because its identification must be no other datagram's from the
 * outside address to that destination, which other gateways have, too: the store gives it (RFC
 * 6864). What comes from outside keeps its own. Where the store can't be asked the gateway counts
 * for itself, and fragments that come to another one are lost.
 *
 * A flood of fragments takes nothing from other packets: what they may use is theirs alone. Of it
 * each side has half, and no sender gets all (FairShare).
 */
import { type Datagram, ipv4FromNumber, ipv4ToNumber, OUTSIDE_DOMAIN } from '@flowstore/flow';
import type { FragmentResult } from '@flowstore/flow-store';
import { Identifications, IPV4_IDENTIFICATION, type Packet } from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import { Datagrams, type KnownDatagram, type Place } from './datagrams.ts';
import { FairShare } from './fair-share.ts';
import { copyFrame, type FrameMemory, Side } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { Outage } from './outage.ts';
import type { HeldPacket } from './questions.ts';
import type { StoreOutbox } from './store-outbox.ts';

/** A fragment in memory, as PacketPath has it. */
export interface FragmentFrame {
  readonly side: Side;
  readonly memory: FrameMemory;
  readonly offset: number;
  readonly length: number;
  /** When it came. */
  readonly sinceMs: number;
}

interface Told extends Place {
  readonly identification: number | null;
}

/** A datagram of which fragments wait, or that the store is being told of. */
interface Waiting {
  readonly key: string;
  readonly side: Side;
  readonly datagram: Datagram;
  readonly taker: number;
  readonly sinceMs: number;
  readonly held: HeldPacket[];
  /** How the first fragment goes; null until it came here. */
  told: Told | null;
  /** How often the store said that it does not know. */
  asked: number;
}

export interface FragmentsOptions {
  readonly limits: GatewayLimits;
  readonly counters: GatewayCounters;
  readonly outbox: StoreOutbox;
  readonly outage: Outage;
  /** Uniform 32-bit numbers. */
  readonly random: () => number;
  /** Sends a packet that waited on its way anew. */
  readonly admit: (side: Side, memory: FrameMemory, sinceMs: number, nowMs: number) => void;
}

/** What is asked again is asked after so long, and after twice as long each time. */
const ASK_AGAIN_MS = 5;
const ASKED_MAX = 9;

export class Fragments {
  /** Of the gateway's own count: for whole packets, and where the store can't be asked. */
  readonly identifications: Identifications;
  readonly #options: FragmentsOptions;
  readonly #known: Datagrams;
  /** In the order in which they began to wait. */
  readonly #waiting = new Map<string, Waiting>();
  /** Those to be asked about again, by how often they were: with the instants, in their order. */
  readonly #resting = Array.from({ length: ASKED_MAX }, () => new Map<Waiting, number>());
  /** Indexed by Side: bytes held, and datagrams begun in the second since `#sinceMs`. */
  readonly #bytes: readonly [FairShare, FairShare];
  #begun: readonly [FairShare, FairShare];
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(options: FragmentsOptions) {
    const { datagramsMax, fragmentBytesMax } = options.limits;
    this.#options = options;
    this.identifications = new Identifications(options.random);
    this.#known = new Datagrams(datagramsMax);
    this.#bytes = halves(fragmentBytesMax);
    this.#begun = halves(0);
  }

  /** How a later fragment goes. Where that is not known it is null: it waits, or was dropped. */
  later(packet: Packet, frame: FragmentFrame, nowMs: number): KnownDatagram | null {
    const { side, memory } = frame;
    const key = keyOf(packet, side, identificationOf(packet, memory));
    const known = this.#known.find(key, nowMs);
    if (known !== undefined) return known;
    const before = this.#waiting.get(key);
    const waiting = before ?? this.#begin(key, packet, side, memory, nowMs);
    if (waiting === null || !this.#hold(waiting, frame)) return null;
    if (before === undefined) this.#ask(waiting, nowMs);
    return null;
  }

  /** The same for a first fragment, whose flow gives it this place. */
  first(packet: Packet, frame: FragmentFrame, place: Place, nowMs: number): KnownDatagram | null {
    const { address, domain } = place;
    const { side, memory } = frame;
    const { outage } = this.#options;
    const own = identificationOf(packet, memory);
    const key = keyOf(packet, side, own);
    const known = this.#known.find(key, nowMs);
    if (known?.address === address && known.domain === domain) return known;
    const fromOutside = side === Side.Outside;
    if (outage.cannotAsk(nowMs)) {
      const { destination, protocol } = packet;
      const chosen = fromOutside
        ? own
        : this.identifications.take(address, destination, protocol, 1);
      return this.#known.put(key, place, chosen, nowMs);
    }
    const waiting = this.#waiting.get(key) ?? this.#begin(key, packet, side, memory, nowMs);
    if (waiting === null) return null;
    if (!fromOutside && !this.#hold(waiting, frame, true)) return null;
    if (waiting.told?.address !== address || waiting.told.domain !== domain) {
      waiting.told = { address, domain, identification: fromOutside ? own : null };
      this.#ask(waiting, nowMs);
    }
    return fromOutside ? this.#known.put(key, place, own, nowMs) : null;
  }

  /** A fragment of it leaves. */
  pass(known: KnownDatagram, packet: Packet): void {
    this.#known.pass(known, packet);
  }

  get datagrams(): number {
    return this.#known.size;
  }

  get heldBytes(): number {
    return this.#bytes[0].used + this.#bytes[1].used;
  }

  tick(nowMs: number): void {
    this.#known.tick(nowMs);
    const { counters, limits } = this.#options;
    counters.datagramsForgotten = this.#known.forgotten;
    for (const waiting of this.#waiting.values()) {
      if (nowMs - waiting.sinceMs < limits.fragmentHoldMs) break;
      counters.dropFragmentTimeout += this.#take(waiting).length;
    }
    for (const resting of this.#resting) {
      for (const [waiting, dueMs] of resting) {
        if (dueMs > nowMs) break;
        resting.delete(waiting);
        if (this.#waiting.get(waiting.key) !== waiting) continue;
        if (this.#known.find(waiting.key, nowMs)) this.#release(waiting, nowMs);
        else this.#ask(waiting, nowMs);
      }
    }
  }

  /** Begins to wait; null where there are too many datagrams, which is counted. */
  #begin(
    key: string,
    packet: Packet,
    side: Side,
    memory: FrameMemory,
    nowMs: number,
  ): Waiting | null {
    const { limits, counters } = this.#options;
    if (nowMs - this.#sinceMs >= 1_000) {
      this.#sinceMs = nowMs;
      this.#begun = halves(limits.datagramsPerSMax);
    }
    const { protocol, source, destination } = packet;
    if (!this.#begun[side].hasRoom(source, 1)) {
      counters.dropDatagramRate++;
      return null;
    }
    this.#begun[side].take(source, 1);
    const datagram = {
      domain: side === Side.Inside ? packet.domain : OUTSIDE_DOMAIN,
      protocol,
      source: ipv4FromNumber(source),
      destination: ipv4FromNumber(destination),
      identification: identificationOf(packet, memory),
    };
    const rest = { sinceMs: nowMs, held: [], told: null, asked: 0 };
    const waiting: Waiting = { key, side, datagram, taker: source, ...rest };
    this.#waiting.set(key, waiting);
    return waiting;
  }

  /** Copies the fragment to wait, the first one in front; false where there is no room. */
  #hold(waiting: Waiting, frame: FragmentFrame, inFront = false): boolean {
    const { side, memory, offset, length, sinceMs } = frame;
    const { counters, limits } = this.#options;
    const bytes = this.#bytes[side];
    const isFull = waiting.held.length >= limits.fragmentsPerDatagramMax;
    if (isFull || !bytes.hasRoom(waiting.taker, length)) {
      counters.dropFragmentsFull++;
      if (waiting.held.length === 0 && waiting.told === null) this.#waiting.delete(waiting.key);
      return false;
    }
    bytes.take(waiting.taker, length);
    counters.fragmentsHeld++;
    const held = { side, memory: copyFrame(memory, offset, length), sinceMs };
    if (inFront) waiting.held.unshift(held);
    else waiting.held.push(held);
    return true;
  }

  /** Asks, or tells if the first fragment came. */
  #ask(waiting: Waiting, nowMs: number): void {
    const { outbox, counters, random } = this.#options;
    const { datagram, told } = waiting;
    if (told === null) counters.datagramsAsked++;
    else counters.datagramsTold++;
    const stored = told && { ...told, address: packPlace(told) };
    const request = { datagram, told: stored, start: random() & 0xffff };
    const queued = outbox.ask(
      'fragment',
      () => request,
      (result, _sentMs, answeredMs) => this.#onAnswer(waiting, told, result, answeredMs),
    );
    if (!queued) this.#onAnswer(waiting, told, null, nowMs);
  }

  #onAnswer(
    waiting: Waiting,
    told: Told | null,
    result: FragmentResult | null,
    nowMs: number,
  ): void {
    const { key } = waiting;
    // It may be over; or the first fragment came since it was asked about.
    if (this.#waiting.get(key) !== waiting || waiting.told !== told) return;
    if (result?.kind === 'known') {
      this.#known.put(key, unpackPlace(result.address), result.identification, nowMs);
    } else if (told !== null) {
      const { protocol, destination } = waiting.datagram;
      const { address, identification } = told;
      const to = ipv4ToNumber(destination);
      const own = () => this.identifications.take(address, to, protocol, 1);
      this.#known.put(key, told, identification ?? own(), nowMs);
    } else {
      const asked = Math.min(waiting.asked++, ASKED_MAX - 1);
      this.#resting[asked]!.set(waiting, nowMs + ASK_AGAIN_MS * 2 ** asked);
      return;
    }
    this.#release(waiting, nowMs);
  }

  #release(waiting: Waiting, nowMs: number): void {
    for (const { side, memory, sinceMs } of this.#take(waiting)) {
      this.#options.admit(side, memory, sinceMs, nowMs);
    }
  }

  /** Ends the wait. */
  #take(waiting: Waiting): readonly HeldPacket[] {
    this.#waiting.delete(waiting.key);
    for (const { side, memory } of waiting.held) {
      this.#bytes[side].giveBack(waiting.taker, memory.bytes.length);
    }
    return waiting.held;
  }
}

function halves(max: number): readonly [FairShare, FairShare] {
  return [new FairShare(max / 2), new FairShare(max / 2)];
}

/** What the store keeps of it: the address, and behind it the domain where that is not 0. */
function packPlace({ address, domain }: Place): Uint8Array {
  const bytes = ipv4FromNumber(address);
  return domain === 0 ? bytes : Uint8Array.of(...bytes, domain >>> 16, domain >>> 8, domain);
}

function unpackPlace(bytes: Uint8Array): Place {
  const [high, middle, low] = bytes.length === 4 ? [0, 0, 0] : bytes.subarray(4);
  return { address: ipv4ToNumber(bytes), domain: (high! << 16) | (middle! << 8) | low! };
}

function identificationOf({ ipOffset }: Packet, { view }: FrameMemory): number {
  return view.getUint16(ipOffset + IPV4_IDENTIFICATION);
}

function keyOf(packet: Packet, side: Side, identification: number): string {
  const { domain, protocol, source, destination } = packet;
  return `${side}/${domain}/${protocol}/${source}/${destination}/${identification}`;
}
