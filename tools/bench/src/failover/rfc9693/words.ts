/** What the tester's packets say, and what is said to its two halves. */

/** The responder's. */
export const PORT = 7_300;
export const FIRST_PORT = 1_024;
export const PORTS = 65_536 - FIRST_PORT;
/** Of the initiator, beside its host's own: each has as many ports. */
export const MORE_ADDRESSES = ['198.18.1.101', '198.18.1.102', '198.18.1.103'];
export const CONNECTIONS_MAX = PORTS * (1 + MORE_ADDRESSES.length);
const MAGIC = 0x52464339;
const PAYLOAD_BYTES = 12;

export type Role = 'initiator' | 'responder';

/** Numbers of connections, `first` and those that follow. */
export interface Range {
  readonly first: number;
  readonly count: number;
}

/**
 * `send`: one packet for each, at this pace; `seen`: for how many of them the round's came;
 * `shared`: how many connections so far came from an endpoint that another one came from.
 */
export type Order =
  | { order: 'send'; range: Range; round: number; perS: number }
  | { order: 'seen'; range: Range; round: number }
  | { order: 'shared' };

export interface Said {
  readonly connection: number;
  /** Packets of a connection are told apart by it. */
  readonly round: number;
}

export function payloadOf({ connection, round }: Said): Uint8Array {
  const bytes = new Uint8Array(PAYLOAD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, connection);
  view.setUint32(8, round);
  return bytes;
}

/** What a payload says, null where it is none of the tester's. */
export function saidIn(view: DataView, at: number): Said | null {
  if (at + PAYLOAD_BYTES > view.byteLength || view.getUint32(at) !== MAGIC) return null;
  return { connection: view.getUint32(at + 4), round: view.getUint32(at + 8) };
}
