/**
 * What gateways say to each other when the store does not answer. Integers are big-endian.
 *
 * ```
 *  byte  0         1       2                 6
 *        +---------+-------+-----------------+-------------------------------+
 *        | version | 1 ask | round           |                               |
 *        +---------+-------+-----------------+-----------------+-------------+
 *        | version | 2     | round           | heardAgeMs      |   contact   |
 *        +---------+-------+-----------------+-----------------+-------------+
 * ```
 *
 * `heardAgeMs` is 2^32 - 1 where the store was never heard. It says nothing about who sent it: who
 * carries the message has to make sure of that.
 */
export const PEER_VERSION = 1;

export type PeerMessage =
  /** "Do you reach the store, and how long ago did you hear it?" */
  | { readonly kind: 'ask'; readonly round: number }
  /** The answer, or unasked (round 0): null if this life of the gateway never heard the store. */
  | { readonly kind: 'contact'; readonly round: number; readonly heardAgeMs: number | null };

export interface Envelope {
  readonly to: string;
  readonly message: PeerMessage;
}

const KINDS = ['ask', 'contact'] as const;
const ROUND = 2;
const HEARD = 6;
const SIZE = { ask: 6, contact: 10 } as const;
const NEVER_HEARD = 0xffff_ffff;

if (SIZE.ask !== ROUND + 4 || SIZE.contact !== HEARD + 4) throw new Error('peer-message.ts');

export function encodePeerMessage(message: PeerMessage): Uint8Array {
  const bytes = new Uint8Array(SIZE[message.kind]);
  const view = new DataView(bytes.buffer);
  bytes[0] = PEER_VERSION;
  bytes[1] = KINDS.indexOf(message.kind) + 1;
  view.setUint32(ROUND, message.round);
  if (message.kind === 'contact') {
    const { heardAgeMs } = message;
    view.setUint32(HEARD, heardAgeMs === null ? NEVER_HEARD : clampAge(heardAgeMs));
  }
  return bytes;
}

/** Null for what is no message of this version. */
export function decodePeerMessage(bytes: Uint8Array): PeerMessage | null {
  if (bytes.length < ROUND || bytes[0] !== PEER_VERSION) return null;
  const kind = KINDS[bytes[1]! - 1];
  if (kind === undefined || bytes.length !== SIZE[kind]) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const round = view.getUint32(ROUND);
  if (kind === 'ask') return { kind, round };
  const heardAgeMs = view.getUint32(HEARD);
  return { kind, round, heardAgeMs: heardAgeMs === NEVER_HEARD ? null : heardAgeMs };
}

/** Rounded down: the store was heard then or later. */
function clampAge(ageMs: number): number {
  return Math.max(0, Math.min(Math.floor(ageMs), NEVER_HEARD - 1));
}
