/**
 * Protocol state is a lattice: what gateways saw is merged, never overwritten. Flags by OR, times
 * by max, within one generation. Merging is commutative, associative and idempotent, so retries,
 * duplicates, reordering, and two gateways that see one direction each, give the same answer.
 *
 * The flags say which kinds of segment were seen from which side:
 *
 * ```
 *   bit  7 6   5     4     3      2      1      0
 *            InFin OutFin InData OutData InSyn OutSyn
 * ```
 *
 * "Data" is any segment that is neither SYN nor RST (an ACK counts, and so does a FIN). What TCP's
 * flags come to is in tcp-states.ts; UDP and ICMP queries use OutData and InData alone. An RST has
 * a time of its own instead of a flag: data reported later lifts it (an RST may be forged, RFC
 * 5961), and where the order is unclear the longer timeout wins.
 */
export const OUT_SYN = 1;
export const IN_SYN = 2;
export const OUT_DATA = 4;
export const IN_DATA = 8;
export const OUT_FIN = 16;
export const IN_FIN = 32;
export const FLAGS_MASK = 63;

/** A time that never was; smaller than every instant. */
export const NEVER = 0;

/** Instants are ms of one clock: the shard's in the store, the gateway's own in a gateway. */
export interface FlowState {
  readonly flags: number;
  /** When the last packet that refreshes the flow was seen. */
  readonly seenMs: number;
  /** When the last RST was seen, NEVER if none was. */
  readonly rstMs: number;
}

export function mergeState(a: FlowState, b: FlowState): FlowState {
  return {
    flags: a.flags | b.flags,
    seenMs: Math.max(a.seenMs, b.seenMs),
    rstMs: Math.max(a.rstMs, b.rstMs),
  };
}
