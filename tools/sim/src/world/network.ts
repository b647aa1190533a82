/**
 * Links and routers between hosts and gateways.
 *
 * ```
 *  inside hosts -- LAN router ==ECMP==> gateways ==> outside hosts
 *  inside hosts <================ gateways <==ECMP== WAN router -- outside hosts
 * ```
 */

import type { FrameMemory, Side } from '@flowstore/gateway-core';
import { copyPacket, type Header } from '../packet.ts';
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';
import { Router } from './router.ts';

/** What is wrong with the links; shares add up over the faults that are on. */
export interface LinkWeather {
  loss: number;
  duplication: number;
  reordering: number;
  slowMs: number;
}

export interface Receiver {
  receive(side: Side, frame: FrameMemory): void;
}

export interface Destination {
  deliver(frame: FrameMemory): void;
}

export class Network {
  readonly weather: LinkWeather = { loss: 0, duplication: 0, reordering: 0, slowMs: 0 };
  readonly routers: readonly [Router, Router];
  gateways: readonly Receiver[] = [];
  /** Indexed by Side. */
  hosts: readonly Destination[] = [];
  /** Packets that went into a link. */
  packets = 0;
  readonly #timeline: Timeline;
  readonly #random: Random;

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
    this.routers = [new Router(random.next()), new Router(random.next())];
  }

  /** A host on `side` sends. */
  fromHost(side: Side, header: Header, frame: FrameMemory): void {
    this.#carry(frame, (arrived) => {
      const gateway = this.routers[side].choose(header);
      if (gateway !== undefined) this.gateways[gateway]!.receive(side, arrived);
    });
  }

  /** A gateway sends towards the hosts of `side`. */
  toHost(side: Side, frame: FrameMemory): void {
    this.#carry(frame, (arrived) => this.hosts[side]!.deliver(arrived));
  }

  #carry(frame: FrameMemory, arrive: (frame: FrameMemory) => void): void {
    this.packets++;
    const { loss, duplication } = this.weather;
    if (this.#random.chance(loss)) return;
    if (this.#random.chance(duplication)) {
      const copy = copyPacket(frame);
      this.#timeline.after(this.#delayMs(), () => arrive(copy));
    }
    this.#timeline.after(this.#delayMs(), () => arrive(frame));
  }

  #delayMs(): number {
    const { reordering, slowMs } = this.weather;
    const random = this.#random;
    const held = random.chance(reordering) ? random.between(1, 60) : 0;
    return random.between(0.1, 0.4) + held + (slowMs > 0 ? random.between(0, slowMs) : 0);
  }
}
