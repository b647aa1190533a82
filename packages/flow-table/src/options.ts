import type { Expiry, ExpiryContext } from './expiry.ts';
import { SLOTS_MAX } from './handle.ts';

const CAPACITY_DEFAULT = 10_000_000;
/** The named reserve above the capacity, for flows whose binding is active already. */
export const RESERVE_SHARE = 1 / 64;
export const CAPACITY_MAX = Math.floor((SLOTS_MAX - 1) / (1 + RESERVE_SHARE));
export const HIGH_WATER_DEFAULT = 1_000_000;
/** A poll of so many and their removal take some 0.5 ms at 1 M flows. */
export const DUE_DEFAULT = 256;

export interface FlowTableOptions {
  /** Flows at most, 10 M by default; CAPACITY_MAX is the limit of that limit. */
  readonly capacityMax?: number;
  /** Keys the hash: an integer below 2^53, random in production. */
  readonly seed: number;
  readonly nowMs: number;
  /** Above so many rows stale ones are purged, until there are an eighth fewer. 1 M by default. */
  readonly highWaterMax?: number;
  /** How many handles a poll can hand out at most: the length of `due`. 256 by default. */
  readonly dueMax?: number;
  /**
   * How rows past their deadline are found: `wheel` by default; `lazy` has no timers, only lookups
   * and the purge find them; or a strategy made by the caller, to be measured against these.
   */
  readonly expiry?: 'wheel' | 'lazy' | ((context: ExpiryContext) => Expiry);
  /** Uses of one slot before it is retired. For tests: the default takes years to reach. */
  readonly incarnationsMax?: number;
}

/** Throws a RangeError when it is not 1 to CAPACITY_MAX. */
export function capacityOf({ capacityMax = CAPACITY_DEFAULT }: FlowTableOptions): number {
  if (!(Number.isInteger(capacityMax) && capacityMax >= 1 && capacityMax <= CAPACITY_MAX)) {
    throw new RangeError(`capacityMax is ${capacityMax}, not 1 to ${CAPACITY_MAX}`);
  }
  return capacityMax;
}
