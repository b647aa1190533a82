/**
 * Whether the links that this gateway forwards between are there. One that is down makes it
 * unready: both routers then send their packets elsewhere, where the link alone would tell only
 * one of them. One that was taken away can't come back, since the packet thread's socket is bound
 * to what was deleted: then the gateway ends, for its supervisor to start it anew.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayConfig } from './config.ts';

const SYSFS = '/sys/class/net';

export type LinkState = 'up' | 'down' | 'gone';

export class LinkWatch {
  readonly #links: readonly { side: string; name: string; index: string | null }[];
  readonly #folder: string;

  constructor(devices: GatewayConfig['devices'], folder: string = SYSFS) {
    this.#folder = folder;
    const { inside, outside, domains } = devices;
    const others = domains.map((one) => [`domain ${one.domain}’s inside`, one.inside] as const);
    const all = [['inside', inside] as const, ['outside', outside] as const, ...others];
    this.#links = all.map(([side, name]) => ({
      side,
      name,
      index: this.#read(name, 'ifindex'),
    }));
  }

  /** What is wrong, in words; `gone` says whether it is for good. */
  look(): { reasons: string[]; gone: boolean } {
    const bad = this.#links
      .map((link) => ({ ...link, state: this.#state(link.name, link.index) }))
      .filter(({ state }) => state !== 'up');
    const reasons = bad.map(({ side, name, state }) => `the ${side} link ${name} is ${state}`);
    return { reasons, gone: bad.some(({ state }) => state === 'gone') };
  }

  #state(name: string, index: string | null): LinkState {
    // Where sysfs shows nothing of it (a namespace without one of its own) nothing is told.
    if (index === null) return 'up';
    if (this.#read(name, 'ifindex') !== index) return 'gone';
    // Of a link that is set down the carrier can't be read.
    return this.#read(name, 'carrier') === '1' ? 'up' : 'down';
  }

  #read(name: string, file: string): string | null {
    try {
      return readFileSync(join(this.#folder, name, file), 'utf8').trim();
    } catch {
      return null;
    }
  }
}
