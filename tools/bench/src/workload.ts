/**
 * The flows that every contestant is given, by number: IPv4 TCP flows whose inside and outside
 * endpoints are their own, to remote addresses all over. peers/rust/src/workload.rs makes the same.
 *
 * ```
 *  outbound key: 10.0.0.0 + n / 256, port 32768 + n % 256 -> mixed n, port 443
 *  inbound key:  mixed n, port 443 -> 203.0.113.0 + n / 32768, port 1024 + n % 32768
 * ```
 *
 * Addresses are signed 32-bit integers, which V8 keeps unboxed wherever they travel.
 */
import { OUTSIDE_DOMAIN, TCP } from '@flowstore/flow';

export const REMOTE_PORT = 443;
/** Word 0 of either direction's key: domain and protocol. */
export const OUTBOUND_WORD = TCP;
export const INBOUND_WORD = (OUTSIDE_DOMAIN << 8) | TCP;

export const insideAddress = (n: number) => 0x0a000000 + (n >>> 8);
export const insidePort = (n: number) => 0x8000 + (n & 0xff);
export const outsideAddress = (n: number) => (0xcb007100 + (n >>> 15)) | 0;
export const outsidePort = (n: number) => 0x400 + (n & 0x7fff);
export const insidePorts = (n: number) => (insidePort(n) << 16) | REMOTE_PORT;
export const outsidePorts = (n: number) => (REMOTE_PORT << 16) | outsidePort(n);

export function remoteAddress(n: number): number {
  const mixed = Math.imul(n ^ (n >>> 16), 0x045d9f3b);
  return mixed ^ (mixed >>> 15);
}

/** xorshift32: a function of a bound that gives a number below it. */
export function randomBelow(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) * bound) / 2 ** 32);
  };
}

/** The numbers below `count` in random order. */
export function shuffled(count: number): Uint32Array {
  const numbers = Uint32Array.from({ length: count }, (_, i) => i);
  const random = randomBelow(1);
  for (let i = count - 1; i > 0; i--) {
    const j = random(i + 1);
    const number = numbers[i]!;
    numbers[i] = numbers[j]!;
    numbers[j] = number;
  }
  return numbers;
}

/** What the lookups of a run ask for. */
export interface Lookups {
  /** Any flow, again and again. */
  readonly random: Uint32Array;
  /** The same few flows. */
  readonly hot: Uint32Array;
  /** Flows that were never there. */
  readonly missing: Uint32Array;
}

const HOT_FLOWS = 64;

export function newLookups(flows: number, count: number): Lookups {
  const below = randomBelow(2);
  const random = Uint32Array.from({ length: count }, () => below(flows));
  return {
    random,
    hot: random.map((_, i) => random[i % HOT_FLOWS]!),
    missing: random.map((n) => n + flows),
  };
}

/** So many flows expire within the window; those beyond an hour later. */
export const EXPIRING_MAX = 1_000_000;
const FAR_MS = 3_600_000;

/** When flows end: up to EXPIRING_MAX of them within `windowMs` from `expireAtMs` on. */
export class Deadlines {
  readonly expireAtMs: number;
  readonly windowMs: number;

  constructor(expireAtMs: number, windowMs: number) {
    this.expireAtMs = expireAtMs;
    this.windowMs = windowMs;
  }

  get endMs(): number {
    return this.expireAtMs + this.windowMs;
  }

  of(n: number): number {
    const random16 = Math.imul(n, 0x9e3779b1) >>> 16;
    const afterMs = (random16 * this.windowMs) >>> 16;
    return this.expireAtMs + (n < EXPIRING_MAX ? afterMs : afterMs + FAR_MS);
  }
}
