/**
 * A packet's way through a gateway: read, look up, rewrite; or wait for the store.
 *
 * A packet from inside whose destination is an address of the pool is for another inside host. It
 * goes out and comes in again without leaving the box (hairpinning, RFC 4787 REQ-9): first its
 * source is translated, then it is taken for a packet from outside. So each half waits for its own
 * flow, and whoever receives it sees the sender's outside endpoint.
 *
 * ```
 *                         inside                     outside
 *   10.0.0.1:5000 -> pool:2000  --- out ---> pool:1000 -> pool:2000
 *   pool:1000 -> 10.0.0.2:7000  <--- in ---             |
 *                               <-----------------------+
 * ```
 */
import { isPoolPort } from '@flowstore/flow';
import { NONE } from '@flowstore/flow-table';
import {
  completeChecksum,
  giveHopBack,
  IPV4_DONT_FRAGMENT,
  isFirstSegment,
  isFragment,
  isLaterFragment,
  Malformed,
  mayBeSplit,
  Packet,
  parseIpv4,
  setIdentification,
  splitPacket,
  translateDestination,
  translateDestinationAddress,
  translateErrorDestination,
  translateErrorSource,
  translateSource,
  translateSourceAddress,
} from '@flowstore/nat';
import { ByRule } from './by-rule.ts';
import type { GatewayCounters } from './counters.ts';
import type { KnownDatagram } from './datagrams.ts';
import type { FlowCache } from './flow-cache.ts';
import type { FlowReporter } from './flow-reporter.ts';
import type { FragmentFrame, Fragments } from './fragments.ts';
import {
  domainOf,
  type FrameMemory,
  hasPartialChecksum,
  hasSegments,
  IP_OFFSET,
  newFrame,
  Side,
  segmentsFit,
  segmentsOf,
  Verdict,
} from './frame.ts';
import type { HandOver } from './hand-over.ts';
import type { Inquirer } from './inquirer.ts';
import { type Notices, Reason } from './notices.ts';
import type { TranslationRules } from './translation-rules.ts';

export interface PacketPathOptions {
  readonly rules: TranslationRules;
  readonly cache: FlowCache;
  readonly reporter: FlowReporter;
  readonly handOver: HandOver;
  readonly inquirer: Inquirer;
  readonly fragments: Fragments;
  readonly notices: Notices;
  readonly counters: GatewayCounters;
  readonly emit: (side: Side, memory: FrameMemory, length: number) => void;
}

/** Beside slots and NONE: the packet was dropped and counted, or it waits. */
const TAKEN = -2;
/** A fragment that no flow is needed for: `#datagram` says how it goes. */
const LATER = -3;
/** A rule is about the packet, no flow. */
const BY_RULE = -4;

export class PacketPath {
  readonly #options: PacketPathOptions;
  readonly #rules: TranslationRules;
  readonly #byRule: ByRule;
  readonly #cache: FlowCache;
  readonly #reporter: FlowReporter;
  readonly #counters: GatewayCounters;
  readonly #notices: Notices;
  readonly #packet = new Packet();
  /** Of the packet read last: it is from inside, to an outside endpoint of the inside. */
  #turnsBack = false;
  /** The inside network that it comes from, or goes to. */
  #domain = 0;
  /** Of the packet read last, if it is a fragment. */
  #datagram: KnownDatagram | null = null;

  constructor(options: PacketPathOptions) {
    this.#options = options;
    this.#rules = options.rules;
    this.#byRule = new ByRule(options.rules, options.counters);
    this.#cache = options.cache;
    this.#reporter = options.reporter;
    this.#counters = options.counters;
    this.#notices = options.notices;
  }

  /** The inside network that the packet forwarded last goes to, if it goes inside. */
  get domain(): number {
    return this.#domain;
  }

  /** See GatewayCore.process. */
  process(side: Side, memory: FrameMemory, offset: number, length: number, nowMs: number): Verdict {
    const slot = this.#admit(side, memory, offset, length, nowMs, nowMs);
    if (slot === TAKEN) return Verdict.Done;
    if (slot !== NONE) return this.#leave(slot, side, memory, offset, length, nowMs);
    const { handOver, inquirer } = this.#options;
    const mayBePeers = side === Side.Outside;
    if (mayBePeers && handOver.take(this.#packet, memory, offset, length, nowMs)) {
      return Verdict.Done;
    }
    inquirer.hold(this.#packet, side, memory, offset, length, nowMs);
    return Verdict.Done;
  }

  /** A packet that was held goes the way of a new one, and leaves on its own. */
  readmit(side: Side, memory: FrameMemory, sinceMs: number, nowMs: number): void {
    const length = memory.bytes.length;
    const slot = this.#admit(side, memory, 0, length, sinceMs, nowMs);
    if (slot === TAKEN) return;
    if (slot === NONE) {
      this.#options.inquirer.holdAgain(this.#packet, { side, memory, sinceMs }, nowMs);
      return;
    }
    const verdict = this.#leave(slot, side, memory, 0, length, nowMs);
    if (verdict === Verdict.Done) return;
    memory.domain = this.#domain;
    const way = verdict === Verdict.Hairpin ? Side.Inside : otherSide(side);
    this.#options.emit(way, memory, length);
  }

  /** A packet from outside that a peer handed over: translated if its flow is known here. */
  takeOver(from: string, frame: Uint8Array, nowMs: number): void {
    const { length } = frame;
    const memory = newFrame(length);
    memory.bytes.set(frame);
    const slot = this.#admit(Side.Outside, memory, 0, length, nowMs, nowMs);
    if (slot === TAKEN) return;
    if (slot !== LATER) this.#options.handOver.answer(from, this.#packet, slot !== NONE);
    if (slot === NONE) return;
    const verdict = this.#leave(slot, Side.Outside, memory, 0, length, nowMs);
    memory.domain = this.#domain;
    if (verdict === Verdict.Forward) this.#options.emit(Side.Inside, memory, length);
  }

  #leave(
    slot: number,
    side: Side,
    memory: FrameMemory,
    offset: number,
    length: number,
    nowMs: number,
  ): Verdict {
    const packet = this.#packet;
    const way = this.#turnsBack ? Side.Inside : otherSide(side);
    this.#domain = this.#domainBehind(slot, side);
    const mtuBytes = this.#notices.mtuBytes(way, this.#domain);
    if (packet.totalLength > mtuBytes && !segmentsFit(memory, offset, packet, mtuBytes)) {
      if (!mayBeSplit(packet)) {
        this.#counters.dropTooBig++;
        this.#notices.tell(side, memory, offset, Reason.TooBig, mtuBytes, nowMs);
        return Verdict.Done;
      }
      // A hairpin's first half is not sent, but read again.
      if (!this.#turnsBack && !hasSegments(memory, offset)) {
        this.#forward(slot, side, memory, offset, nowMs);
        this.#split(way, memory, offset, mtuBytes);
        return Verdict.Done;
      }
    }
    this.#forward(slot, side, memory, offset, nowMs);
    return this.#turnsBack ? this.#turn(memory, offset, length, nowMs) : Verdict.Forward;
  }

  /** The inside network that the packet comes from, or goes to. */
  #domainBehind(way: number, side: Side): number {
    if (side === Side.Inside) return this.#packet.domain;
    if (way === BY_RULE) return this.#byRule.domain;
    return way === LATER ? this.#datagram!.domain : this.#cache.table.domain(way);
  }

  /** Sends a translated packet in fragments (RFC 4787 REQ-13a). */
  #split(way: Side, memory: FrameMemory, offset: number, mtuBytes: number): void {
    const packet = this.#packet;
    this.#counters.packetsSplit++;
    // Of a fragment it can't be: no device sees all of the datagram.
    if (hasPartialChecksum(memory, offset) && !isFragment(packet))
      completeChecksum(memory.view, packet);
    for (const fragment of splitPacket(memory.view, packet, mtuBytes)) {
      const frame = newFrame(IP_OFFSET + fragment.length, this.#domain);
      frame.bytes.set(fragment, IP_OFFSET);
      this.#options.emit(way, frame, frame.bytes.length);
    }
  }

  /** The second half of a hairpin: what just went out comes in. It is one hop all the same. */
  #turn(memory: FrameMemory, offset: number, length: number, nowMs: number): Verdict {
    this.#counters.packetsHairpinned++;
    giveHopBack(memory.view, offset + IP_OFFSET);
    const verdict = this.process(Side.Outside, memory, offset, length, nowMs);
    return verdict === Verdict.Forward ? Verdict.Hairpin : verdict;
  }

  /** The slot to translate by, NONE where the store has to be asked, LATER, BY_RULE, TAKEN. */
  #admit(
    side: Side,
    memory: FrameMemory,
    offset: number,
    length: number,
    sinceMs: number,
    nowMs: number,
  ): number {
    const packet = this.#packet;
    const available = length - IP_OFFSET;
    packet.domain = domainOf(side, memory);
    const malformed = parseIpv4(memory.view, offset + IP_OFFSET, available, packet);
    this.#turnsBack = side === Side.Inside && this.#rules.turnsBack(packet);
    if (this.#byRule.takes(side, packet, malformed)) {
      if (!this.#byRule.isForwarded || !isFragment(packet)) return BY_RULE;
      const frame = { side, memory, offset, length, sinceMs };
      return this.#admitFirst(BY_RULE, frame, this.#byRule.address, nowMs);
    }
    if (malformed !== Malformed.None) {
      this.#counters.malformed[malformed]!++;
      if (malformed === Malformed.Ttl && this.#serves(side, packet)) {
        this.#notices.tell(side, memory, offset, Reason.HopsExceeded, 0, nowMs);
      }
      return TAKEN;
    }
    if (!this.#isForUs(side, packet)) return TAKEN;
    if (isLaterFragment(packet)) {
      const frame = { side, memory, offset, length, sinceMs };
      this.#datagram = this.#options.fragments.later(packet, frame, nowMs);
      return this.#datagram === null ? TAKEN : LATER;
    }
    const slot = this.#cache.lookup(side, packet, nowMs);
    if (slot === NONE || !this.#cache.isFresh(slot, nowMs)) return NONE;
    // A new SYN on a closing flow is the next incarnation: the store has to be asked for it.
    if (isFirstSegment(packet) && this.#cache.isClosing(slot)) return NONE;
    // This row may not know that it is closing, or that the next incarnation was opened elsewhere.
    if (this.#cache.maybeNext(slot, side, packet, sinceMs)) return NONE;
    if (!isFragment(packet)) return slot;
    const { table } = this.#cache;
    const address = side === Side.Inside ? table.outsideAddress(slot) : table.insideAddress(slot);
    const frame = { side, memory, offset, length, sinceMs };
    return this.#admitFirst(slot, frame, address, nowMs);
  }

  /** Of a fragmented datagram the first: it may have to wait for its identification. */
  #admitFirst(way: number, frame: FragmentFrame, address: number, nowMs: number): number {
    const domain = frame.side === Side.Inside ? 0 : this.#domainBehind(way, frame.side);
    const place = { address, domain };
    this.#datagram = this.#options.fragments.first(this.#packet, frame, place, nowMs);
    return this.#datagram === null ? TAKEN : way;
  }

  /** Whether the NAT is for who sent it, or for what it was sent to. */
  #serves(side: Side, packet: Packet): boolean {
    if (side === Side.Inside) return this.#rules.serves(packet.domain, packet.source);
    return this.#rules.isPooled(packet.destination) || this.#byRule.takes(side, packet, 0);
  }

  #isOurs(packet: Packet): boolean {
    const { destination } = packet;
    if (this.#rules.isPooled(destination)) return true;
    return isLaterFragment(packet) && this.#rules.hasPorts(destination);
  }

  #isForUs(side: Side, packet: Packet): boolean {
    const counters = this.#counters;
    if (side === Side.Inside) {
      if (this.#rules.serves(packet.domain, packet.source)) return true;
      counters.dropNotInside++;
      return false;
    }
    if (!this.#isOurs(packet)) counters.dropNotPool++;
    else if (isLaterFragment(packet) || isPoolPort(packet.destinationPort)) return true;
    else counters.dropWellKnownPort++;
    return false;
  }

  #forward(slot: number, side: Side, memory: FrameMemory, offset: number, nowMs: number): void {
    const packet = this.#packet;
    if (slot === LATER) {
      this.#forwardLater(side, memory);
      return;
    }
    if (slot === BY_RULE) {
      this.#forwardByRule(side, memory, offset);
      return;
    }
    const { table } = this.#cache;
    if (side === Side.Inside) this.#identify(memory, offset, table.outsideAddress(slot));
    if (isFragment(packet)) this.#options.fragments.pass(this.#datagram!, packet);
    if (packet.embeddedOffset !== 0) {
      this.#forwardError(slot, side, memory);
      return;
    }
    const counters = this.#counters;
    const partial = hasPartialChecksum(memory, offset);
    if (this.#cache.see(slot, side, packet, nowMs)) this.#reporter.touch(slot, nowMs);
    if (side === Side.Inside) {
      const address = table.outsideAddress(slot);
      translateSource(memory.view, packet, address, table.outsidePort(slot), partial);
      counters.packetsOut++;
      counters.bytesOut += packet.totalLength;
    } else {
      const address = table.insideAddress(slot);
      translateDestination(memory.view, packet, address, table.insidePort(slot), partial);
      counters.packetsIn++;
      counters.bytesIn += packet.totalLength;
    }
  }

  #forwardByRule(side: Side, memory: FrameMemory, offset: number): void {
    const packet = this.#packet;
    const byRule = this.#byRule;
    if (byRule.isForwarded) {
      if (side === Side.Inside) this.#identify(memory, offset, byRule.address);
      if (isFragment(packet)) this.#options.fragments.pass(this.#datagram!, packet);
    }
    byRule.forward(side, packet, memory, offset);
  }

  /** A later fragment has no port and no checksum: only its addresses change. */
  #forwardLater(side: Side, { view }: FrameMemory): void {
    const packet = this.#packet;
    const counters = this.#counters;
    const datagram = this.#datagram!;
    this.#options.fragments.pass(datagram, packet);
    if (side === Side.Inside) {
      setIdentification(view, packet, datagram.identification);
      translateSourceAddress(view, packet, datagram.address);
      counters.packetsOut++;
      counters.fragmentsOut++;
      counters.bytesOut += packet.totalLength;
    } else {
      translateDestinationAddress(view, packet, datagram.address);
      counters.packetsIn++;
      counters.fragmentsIn++;
      counters.bytesIn += packet.totalLength;
    }
  }

  /**
   * What leaves by an address that inside hosts share needs an identification that is unique to it,
   * unless it can't be split (RFC 6864 section 5.3).
   */
  #identify(memory: FrameMemory, offset: number, address: number): void {
    const packet = this.#packet;
    if (isFragment(packet)) {
      setIdentification(memory.view, packet, this.#datagram!.identification);
    } else if ((packet.fragment & IPV4_DONT_FRAGMENT) === 0) {
      const { destination, protocol } = packet;
      const count = segmentsOf(memory, offset, packet);
      const { identifications } = this.#options.fragments;
      const own = identifications.take(address, destination, protocol, count);
      setIdentification(memory.view, packet, own);
    }
  }

  /** An ICMP error is about a flow and no packet of it: it refreshes nothing (RFC 5508 REQ-6). */
  #forwardError(slot: number, side: Side, { view }: FrameMemory): void {
    const packet = this.#packet;
    const { table } = this.#cache;
    if (side === Side.Inside) {
      translateErrorSource(view, packet, table.outsideAddress(slot), table.outsidePort(slot));
      this.#counters.icmpErrorsOut++;
    } else {
      translateErrorDestination(view, packet, table.insideAddress(slot), table.insidePort(slot));
      this.#counters.icmpErrorsIn++;
    }
  }
}

function otherSide(side: Side): Side {
  return side === Side.Inside ? Side.Outside : Side.Inside;
}
