/** What a demo run found out, whichever network it ran on. */

/** One kind of traffic. */
export interface TrafficResult {
  readonly name: string;
  readonly opened: number;
  readonly survived: number;
  readonly reset: number;
  /** The longest time without an answer while the traffic ran. */
  readonly longestGapMs: number;
  /** For people: "20.0 MB, SHA-256 right". */
  readonly note: string;
}

export interface GatewayResult {
  readonly name: string;
  /** Over all lives of the gateway, as far as its counters could be read before each end. */
  readonly packetsOut: number;
  readonly packetsIn: number;
  /** Flows that this gateway did not know and found in the store. */
  readonly foundInStore: number;
  readonly kills: number;
}

export interface DemoResult {
  readonly traffic: readonly TrafficResult[];
  readonly gateways: readonly GatewayResult[];
  /** One sentence per thing that was lost or wrong; empty: nothing was. */
  readonly failures: readonly string[];
}

export interface DemoOptions {
  /** Prints one line of progress. */
  readonly say: (line: string) => void;
  /** Fires when the user gives up: clean up and reject. */
  readonly signal: AbortSignal;
}
