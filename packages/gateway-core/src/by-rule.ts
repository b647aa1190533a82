/**
 * Packets that a rule is about: translated by what the configuration says alone, or not at all
 * (RFC 6888 REQ-6). No row, no record, no timer: whichever gateway they come to does the same, also
 * one that has just started.
 *
 * What has no ports that can be read (other protocols, other ICMP types, later fragments) goes by
 * its addresses: a one-to-one address has all of it, and nothing behind the IP header says the
 * address again. Later fragments of a port forward go the way of their first (Fragments).
 */
import {
  isLaterFragment,
  Malformed,
  type Packet,
  passHop,
  translateDestination,
  translateDestinationAddress,
  translateErrorDestination,
  translateErrorSource,
  translateSource,
  translateSourceAddress,
} from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import { type FrameMemory, hasPartialChecksum, Side } from './frame.ts';
import { type TranslationRules, Treatment } from './translation-rules.ts';

export class ByRule {
  readonly #rules: TranslationRules;
  readonly #counters: GatewayCounters;
  #treatment: Treatment = Treatment.None;
  /** Of the packet taken last: only its addresses can be translated. */
  #isBare = false;

  constructor(rules: TranslationRules, counters: GatewayCounters) {
    this.#rules = rules;
    this.#counters = counters;
  }

  /** Whether a rule is about the packet, which was read as `malformed` says. */
  takes(side: Side, packet: Packet, malformed: Malformed): boolean {
    const isUnknown = malformed === Malformed.Protocol || malformed === Malformed.IcmpType;
    if (malformed !== Malformed.None && !isUnknown) return false;
    this.#isBare = isUnknown || isLaterFragment(packet);
    this.#treatment = this.#rules.treatmentOf(side, packet);
    return this.#treatment !== Treatment.None;
  }

  /** Of the packet taken last: it belongs to some ports of an address that others share. */
  get isForwarded(): boolean {
    return this.#treatment === Treatment.Translate && !this.#rules.isWholeAddress;
  }

  /** The address that it gets. */
  get address(): number {
    return this.#rules.address;
  }

  /** Of a packet from outside that was taken: the domain that it goes to. */
  get domain(): number {
    return this.#rules.domain;
  }

  /** Rewrites the packet that was taken last. */
  forward(side: Side, packet: Packet, memory: FrameMemory, offset: number): void {
    this.#count(side, packet);
    const { view } = memory;
    if (this.#treatment === Treatment.Pass) {
      this.#counters.packetsPassed++;
      passHop(view, packet);
      return;
    }
    this.#counters.packetsByRule++;
    const { address, port } = this.#rules;
    const outbound = side === Side.Inside;
    if (this.#isBare) {
      if (outbound) translateSourceAddress(view, packet, address);
      else translateDestinationAddress(view, packet, address);
    } else if (packet.embeddedOffset !== 0) {
      if (outbound) translateErrorSource(view, packet, address, port);
      else translateErrorDestination(view, packet, address, port);
    } else {
      const partial = hasPartialChecksum(memory, offset);
      if (outbound) translateSource(view, packet, address, port, partial);
      else translateDestination(view, packet, address, port, partial);
    }
  }

  #count(side: Side, { totalLength }: Packet): void {
    const counters = this.#counters;
    if (side === Side.Inside) {
      counters.packetsOut++;
      counters.bytesOut += totalLength;
    } else {
      counters.packetsIn++;
      counters.bytesIn += totalLength;
    }
  }
}
