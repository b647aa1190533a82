/** The control network between the gateways: messages take their time, and may get lost. */
import { decodePeerMessage, encodePeerMessage, type PeerMessage } from '@flowstore/gateway-core';
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';

/** Shares add up over the faults that are on. */
export interface PeerWeather {
  loss: number;
  slowMs: number;
}

export interface PeerReceiver {
  readonly name: string;
  hearPeer(from: string, message: PeerMessage): void;
}

/** What a mutant makes of a message on its way. */
export type PeerTamper = (message: PeerMessage) => PeerMessage;

export class PeerLinks {
  readonly weather: PeerWeather = { loss: 0, slowMs: 0 };
  /** Gateways that are cut off from all others, by name. */
  readonly cut = new Set<string>();
  gateways: readonly PeerReceiver[] = [];
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #tamper: PeerTamper;

  constructor(timeline: Timeline, random: Random, tamper: PeerTamper = (message) => message) {
    this.#timeline = timeline;
    this.#random = random;
    this.#tamper = tamper;
  }

  get isCalm(): boolean {
    return this.weather.loss === 0 && this.weather.slowMs === 0 && this.cut.size === 0;
  }

  send(from: string, to: string, message: PeerMessage): void {
    const random = this.#random;
    const bytes = encodePeerMessage(this.#tamper(message));
    if (this.#isCut(from, to) || random.chance(this.weather.loss)) return;
    const delayMs = random.between(0.1, 1) + random.float() * this.weather.slowMs;
    this.#timeline.after(delayMs, () => {
      const target = this.gateways.find(({ name }) => name === to);
      if (!this.#isCut(from, to)) target?.hearPeer(from, decodePeerMessage(bytes)!);
    });
  }

  #isCut(from: string, to: string): boolean {
    return this.cut.has(from) || this.cut.has(to);
  }
}
