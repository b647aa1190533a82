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
 *        | version | 3     | the frame of a packet from outside              |   packet
 *        +---------+-------+---------+-----------------+-------+-------------+
 *        | version | 4     | protocol| outside address | port  | row  |          mine
 *        +---------+-------+---------+-----------------+-------+------+
 *  byte  0         1       2         3                 7       9     10
 * ```
 *
 * `heardAgeMs` is 2^32 - 1 where the store was never heard. It says nothing about who sent it: who
 * carries the message has to make sure of that.
 */
export const PEER_VERSION = 1;

export type ContactMessage =
  /** "Do you reach the store, and how long ago did you hear it?" */
  | { readonly kind: 'ask'; readonly round: number }
  /** The answer, or unasked (round 0): null if this life of the gateway never heard the store. */
  | { readonly kind: 'contact'; readonly round: number; readonly heardAgeMs: number | null };

export type PeerMessage =
  | ContactMessage
  /** Handed over: from the virtio-net header to the end of the IP packet. */
  | { readonly kind: 'packet'; readonly frame: Uint8Array }
  /** Packets for this outside endpoint are to be handed to the sender alone. */
  | {
      readonly kind: 'mine';
      readonly protocol: number;
      readonly address: number;
      readonly port: number;
      /** It translates them; else it holds the lease of a port that it has no row of. */
      readonly hasRow: boolean;
    };

export interface Envelope {
  readonly to: string;
  readonly message: PeerMessage;
}

const KINDS = ['ask', 'contact', 'packet', 'mine'] as const;
const HEADER = 2;
const ROUND = 2;
const HEARD = 6;
const PROTOCOL = 2;
const ADDRESS = 3;
const PORT = 7;
const ROW = 9;
const SIZE = { ask: ROUND + 4, contact: HEARD + 4, mine: ROW + 1 } as const;
const NEVER_HEARD = 0xffff_ffff;

if (SIZE.ask !== 6 || SIZE.contact !== 10 || SIZE.mine !== 10) throw new Error('peer-message.ts');

export function encodePeerMessage(message: PeerMessage): Uint8Array {
  const { kind } = message;
  const bytes = new Uint8Array(kind === 'packet' ? HEADER + message.frame.length : SIZE[kind]);
  const view = new DataView(bytes.buffer);
  bytes[0] = PEER_VERSION;
  bytes[1] = KINDS.indexOf(kind) + 1;
  if (kind === 'packet') bytes.set(message.frame, HEADER);
  else if (kind === 'mine') {
    bytes[PROTOCOL] = message.protocol;
    view.setUint32(ADDRESS, message.address);
    view.setUint16(PORT, message.port);
    bytes[ROW] = Number(message.hasRow);
  } else view.setUint32(ROUND, message.round);
  if (kind === 'contact') {
    const { heardAgeMs } = message;
    view.setUint32(HEARD, heardAgeMs === null ? NEVER_HEARD : clampAge(heardAgeMs));
  }
  return bytes;
}

/** Null for what is no message of this version. */
export function decodePeerMessage(bytes: Uint8Array): PeerMessage | null {
  if (bytes.length < HEADER || bytes[0] !== PEER_VERSION) return null;
  const kind = KINDS[bytes[1]! - 1];
  if (kind === 'packet') return { kind, frame: bytes.slice(HEADER) };
  if (kind === undefined || bytes.length !== SIZE[kind]) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (kind === 'mine') {
    const address = view.getUint32(ADDRESS);
    const port = view.getUint16(PORT);
    return { kind, protocol: bytes[PROTOCOL]!, address, port, hasRow: bytes[ROW] === 1 };
  }
  const round = view.getUint32(ROUND);
  if (kind === 'ask') return { kind, round };
  const heardAgeMs = view.getUint32(HEARD);
  return { kind, round, heardAgeMs: heardAgeMs === NEVER_HEARD ? null : heardAgeMs };
}

/** Rounded down: the store was heard then or later. */
function clampAge(ageMs: number): number {
  return Math.max(0, Math.min(Math.floor(ageMs), NEVER_HEARD - 1));
}
