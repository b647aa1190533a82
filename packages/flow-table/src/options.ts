import type { Expiry, ExpiryContext } from './expiry.ts';

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
