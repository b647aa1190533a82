/**
 * The identity of a binding or a flow beside its key: the generation that the store gave it,
 * `max(last + 1, shard time in µs)`, and the nonce that its opener chose. Every write, refresh,
 * delete and cached answer names the identity it means, and compares all of it: a key that was
 * reused in between (ABA) has another identity.
 */
export interface Identity {
  /** Integer below 2^53: µs since the epoch reach that in the year 2255. */
  readonly generation: number;
  /** 32 bits. */
  readonly nonce: number;
}

export function identityEquals(a: Identity, b: Identity): boolean {
  return a.generation === b.generation && a.nonce === b.nonce;
}
