/** What runs in the benchmark: a table of flows that are found by either direction's key. */
export interface Contestant {
  /** Flows stored. */
  readonly size: number;

  /** Stores flow n, under both keys, with a timer of its own at its deadline. */
  insert(n: number, nowMs: number): void;

  /**
   * Says which flows will be looked up next, as by whoever read a batch of packets: flow i of the
   * list by its inbound key where i is odd. For those that can make use of it.
   */
  announce?(numbers: Uint32Array, from: number, to: number): void;

  /**
   * Looks flow n up by one of its keys; if it is there and its deadline has not passed, notes when
   * it was seen and writes its deadline. False if it is not there.
   */
  touch(n: number, isInbound: boolean, nowMs: number): boolean;

  /** For those whose timers don't fire by themselves: takes out what is due, in bounded steps. */
  poll(nowMs: number): void;

  /** Stops all timers. */
  close(): void;
}

/** Whole ms since the process began: small integers, which cost an object's field no allocation. */
export const clockMs = () => Math.floor(performance.now());
