/**
 * How the fragments of a datagram are translated: as the first one was, which alone names a flow.
 * Whichever gateway carried that one tells the store, and the others ask it.
 *
 * ```
 *   gateway 1   first fragment --- told ---> store <--- asked --- later fragment   gateway 2
 * ```
 */
import type { Datagram, IpAddress } from '@flowstore/flow';

/** What one of its fragments becomes. */
export interface Translation {
  /** The source of what leaves by an outside address; the destination of what comes in, with its
   * domain (3 bytes) behind where that is not 0. */
  readonly address: IpAddress;
  readonly identification: number;
}

export interface FragmentRequest {
  /** As its fragments come in. */
  readonly datagram: Datagram;
  /**
   * How its first fragment is translated; null: it did not come here, and the store is asked. With
   * an identification of null the store chooses one that no other datagram of this protocol has
   * had lately from that address to that destination.
   */
  readonly told: { readonly address: IpAddress; readonly identification: number | null } | null;
  /** 16 random bits: where a count of identifications begins, if this is what begins it. */
  readonly start: number;
}

export type FragmentResult =
  /** As it was told; told again by the same address it stays as it is. */
  | ({ readonly kind: 'known' } & Translation)
  /** Nobody told (yet), or too long ago. */
  | { readonly kind: 'unknown' };
