/**
 * Moves packets between two wires and a gateway-core: one step reads a batch from each side,
 * translates it, finds the next hops and sends. Knows no thread and waits for nothing, so that the
 * packet thread, tests and the demo on memory wires turn the same wheel.
 */
import { type FrameMemory, type GatewayCore, Side, Verdict } from '@flowstore/gateway-core';
import { IP_OFFSET, type NextHops, NO_ROUTE, UNRESOLVED, type Wire } from '@flowstore/packet-io';

const IPV4_DESTINATION = IP_OFFSET + 16;
const FRAME_BYTES_MIN = IP_OFFSET + 20;

export class LoopCounters {
  /** Packets for the box itself: the kernel's business. */
  local = 0;
  dropNoRoute = 0;
  /** The next hop's MAC was not known yet. */
  dropUnresolved = 0;
  /** The kernel's route leads to neither of our links, or back where the packet came from. */
  dropWrongWay = 0;
}

/** An inside network beside that of domain 0: its wire, and the next hops that lie behind it. */
export interface DomainWire {
  readonly domain: number;
  readonly wire: Wire;
  readonly hops: NextHops;
}

interface Link extends DomainWire {
  readonly side: Side;
  /** The interface that the kernel's routes name. */
  readonly index: number;
  /** The wire's, saying which network its frames come from. */
  readonly memory: FrameMemory;
}

export class PacketLoop {
  readonly counters = new LoopCounters();
  readonly #core: GatewayCore;
  readonly #outside: Link;
  /** That of domain 0 first. */
  readonly #insides: readonly Link[];
  readonly #hops: readonly NextHops[];

  constructor(
    core: GatewayCore,
    wires: { inside: Wire; outside: Wire; domains?: readonly DomainWire[] },
    hops: NextHops,
  ) {
    this.#core = core;
    const { inside, outside, domains = [] } = wires;
    this.#outside = linkOf(Side.Outside, { domain: 0, wire: outside, hops });
    const all = [{ domain: 0, wire: inside, hops }, ...domains];
    this.#insides = all.map((one) => linkOf(Side.Inside, one));
    this.#hops = all.map((one) => one.hops);
  }

  /** Returns how many frames were read: 0 says that there is time to wait. */
  step(nowMs: number): number {
    for (const hops of this.#hops) hops.poll(nowMs);
    this.#tellLink(this.#outside);
    for (const inside of this.#insides) this.#tellLink(inside);
    let frames = 0;
    for (const inside of this.#insides) frames += this.#drain(inside, nowMs);
    return frames + this.#drain(this.#outside, nowMs);
  }

  /** Sends a frame of its own that is ready but for its Ethernet header. */
  send(side: Side, memory: FrameMemory, offset: number, length: number, nowMs: number): void {
    this.#sendBy(this.#linkTo(side, memory.domain ?? 0), memory, offset, length, nowMs);
  }

  flush(): void {
    this.#outside.wire.flush();
    for (const { wire } of this.#insides) wire.flush();
  }

  #linkTo(side: Side, domain: number): Link | undefined {
    if (side === Side.Outside) return this.#outside;
    for (let i = 0; i < this.#insides.length; i++) {
      if (this.#insides[i]!.domain === domain) return this.#insides[i]!;
    }
    return undefined;
  }

  #sendBy(
    link: Link | undefined,
    memory: FrameMemory,
    offset: number,
    length: number,
    nowMs: number,
  ): void {
    const { counters } = this;
    if (link === undefined) {
      // A flow of a domain that this box has no device for.
      counters.dropNoRoute++;
      return;
    }
    const destination = memory.view.getUint32(offset + IPV4_DESTINATION);
    const index = link.hops.write(memory.view, offset, destination, nowMs);
    if (index === link.index) link.wire.send(memory, offset, length);
    else if (index === NO_ROUTE) counters.dropNoRoute++;
    else if (index === UNRESOLVED) counters.dropUnresolved++;
    else counters.dropWrongWay++;
  }

  #drain(from: Link, nowMs: number): number {
    const { wire, side, memory } = from;
    const core = this.#core;
    const frames = wire.receive();
    for (let k = 0; k < frames; k++) core.announce(side, memory, wire.offset(k), wire.length(k));
    for (let k = 0; k < frames; k++) {
      const offset = wire.offset(k);
      const length = wire.length(k);
      if (side === Side.Inside && this.#isLocal(from, offset, length)) {
        this.counters.local++;
        continue;
      }
      const verdict = core.process(side, memory, offset, length, nowMs);
      if (verdict === Verdict.Done) continue;
      const goesOut = verdict === Verdict.Forward && side === Side.Inside;
      const way = goesOut ? this.#outside : this.#linkTo(Side.Inside, core.domain);
      this.#sendBy(way, memory, offset, length, nowMs);
    }
    // Before this wire is read again: what was queued lies in its memory.
    if (frames > 0) this.flush();
    return frames;
  }

  /** Addresses and MTUs may change while we run. */
  #tellLink({ side, domain, hops, index }: Link): void {
    const link = { address: hops.addressOf(index), mtuBytes: hops.mtu(index) };
    this.#core.setLink(side, link, domain);
  }

  #isLocal({ memory, hops }: Link, offset: number, length: number): boolean {
    if (length < FRAME_BYTES_MIN) return false;
    return hops.isLocal(memory.view.getUint32(offset + IPV4_DESTINATION));
  }
}

function linkOf(side: Side, { domain, wire, hops }: DomainWire): Link {
  const { bytes, view, address } = wire.memory;
  const memory = { bytes, view, address, domain };
  return { side, domain, wire, hops, index: hops.interfaceIndex(wire.name), memory };
}
