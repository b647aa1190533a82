/**
 * When what was wrong: each fault says what the contract (docs/outages.md) lets flows suffer while
 * it lasts. What happens outside of all windows is a violation.
 */
import { nowMs } from './clock.ts';

export interface Window {
  readonly kind: string;
  readonly fromMs: number;
  /** Infinity while it lasts. */
  toMs: number;
  /** Known flows may be silent. */
  readonly stalls: boolean;
  /** New flows may fail to open. */
  readonly refuses: boolean;
  /** Flows opened within it may be lost: the store was not told, or forgot. */
  readonly loses: boolean;
  /** Packets change gateways. */
  readonly reroutes: boolean;
  /** Nobody, or somebody, can't ask the store. */
  readonly storeAway: boolean;
  /** The store loses what it was told. */
  readonly forgets: boolean;
  /** A gateway loses all that it knew. */
  readonly kills: boolean;
}

export type Suffering = Partial<
  Pick<Window, 'stalls' | 'refuses' | 'loses' | 'reroutes' | 'storeAway' | 'forgets' | 'kills'>
>;

const NOTHING = {
  stalls: false,
  refuses: false,
  loses: false,
  reroutes: false,
  storeAway: false,
  forgets: false,
  kills: false,
} as const;

export class Windows {
  readonly all: Window[] = [];

  /** Opens one; call `end` when it is over, for so many milliseconds more. */
  open(kind: string, suffering: Suffering): { end(lingersMs?: number): void } {
    const window: Window = { kind, fromMs: nowMs(), toMs: Infinity, ...NOTHING, ...suffering };
    this.all.push(window);
    return {
      end: (lingersMs = 0) => {
        window.toMs = Math.min(window.toMs, nowMs() + lingersMs);
      },
    };
  }

  /** One that others saw: it is over already. */
  add(kind: string, fromMs: number, toMs: number, suffering: Suffering): void {
    this.all.push({ kind, fromMs, toMs, ...NOTHING, ...suffering });
  }
}

export function overlaps({ fromMs, toMs }: Window, from: number, to: number): boolean {
  return fromMs <= to && toMs >= from;
}

/** Flows that idle speak so often (client.ts): their packets find another gateway so late. */
const WORD_EVERY_MS_MAX = 15_000;

/** Those in which the store can't be asked, and packets changed gateways since flows spoke last. */
export function movedBlind(windows: readonly Window[]): Window[] {
  const reroutes = windows.filter((window) => window.reroutes);
  return windows.filter(
    (window) =>
      window.storeAway &&
      reroutes.some(({ fromMs, toMs }) => overlaps(window, fromMs, toMs + WORD_EVERY_MS_MAX)),
  );
}

/** Those in which known flows may be silent: the ones that say so, and those in which the gateway
 * that packets came to would have to ask, and can't. */
export function stallWindows(windows: readonly Window[]): Window[] {
  return [...windows.filter((window) => window.stalls), ...movedBlind(windows)];
}
