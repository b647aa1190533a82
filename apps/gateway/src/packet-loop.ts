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

export class PacketLoop {
  readonly counters = new LoopCounters();
  readonly #core: GatewayCore;
  /** Indexed by Side. */
  readonly #wires: readonly [Wire, Wire];
  readonly #interfaces: readonly [number, number];
  readonly #hops: NextHops;

  constructor(core: GatewayCore, wires: { inside: Wire; outside: Wire }, hops: NextHops) {
    this.#core = core;
    this.#wires = [wires.inside, wires.outside];
    const { inside, outside } = wires;
    this.#interfaces = [hops.interfaceIndex(inside.name), hops.interfaceIndex(outside.name)];
    this.#hops = hops;
  }

  /** Returns how many frames were read: 0 says that there is time to wait. */
  step(nowMs: number): number {
    this.#hops.poll(nowMs);
    this.#tellLink(Side.Inside);
    this.#tellLink(Side.Outside);
    return this.#drain(Side.Inside, nowMs) + this.#drain(Side.Outside, nowMs);
  }

  /** Sends a frame that is ready but for its Ethernet header. */
  send(side: Side, memory: FrameMemory, offset: number, length: number, nowMs: number): void {
    const destination = memory.view.getUint32(offset + IPV4_DESTINATION);
    const index = this.#hops.write(memory.view, offset, destination, nowMs);
    if (index === this.#interfaces[side]) this.#wires[side].send(memory, offset, length);
    else if (index === NO_ROUTE) this.counters.dropNoRoute++;
    else if (index === UNRESOLVED) this.counters.dropUnresolved++;
    else this.counters.dropWrongWay++;
  }

  flush(): void {
    this.#wires[Side.Inside].flush();
    this.#wires[Side.Outside].flush();
  }

  #drain(side: Side, nowMs: number): number {
    const wire = this.#wires[side];
    const way = side === Side.Inside ? Side.Outside : Side.Inside;
    const frames = wire.receive();
    const { memory } = wire;
    for (let k = 0; k < frames; k++) {
      this.#core.announce(side, memory, wire.offset(k), wire.length(k));
    }
    for (let k = 0; k < frames; k++) {
      const offset = wire.offset(k);
      const length = wire.length(k);
      if (side === Side.Inside && this.#isLocal(memory, offset, length)) {
        this.counters.local++;
      } else {
        const verdict = this.#core.process(side, memory, offset, length, nowMs);
        if (verdict === Verdict.Forward) this.send(way, memory, offset, length, nowMs);
        else if (verdict === Verdict.Hairpin) this.send(side, memory, offset, length, nowMs);
      }
    }
    // Before this wire is read again: what was queued lies in its memory.
    if (frames > 0) this.flush();
    return frames;
  }

  /** Addresses and MTUs may change while we run. */
  #tellLink(side: Side): void {
    const index = this.#interfaces[side];
    const address = this.#hops.addressOf(index);
    this.#core.setLink(side, { address, mtuBytes: this.#hops.mtu(index) });
  }

  #isLocal(memory: FrameMemory, offset: number, length: number): boolean {
    if (length < FRAME_BYTES_MIN) return false;
    return this.#hops.isLocal(memory.view.getUint32(offset + IPV4_DESTINATION));
  }
}
