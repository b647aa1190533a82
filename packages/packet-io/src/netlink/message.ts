/**
 * Reads rtnetlink messages: bytes in, plain objects out. Everything is bounds-checked; what is cut
 * off or contradicts itself ends the reading, what doesn't concern IPv4 next hops is `other`.
 *
 * ```
 *  message (linux/netlink.h), all in host order (little-endian), each part padded to 4
 *  +0 length u32 | +4 type u16 | +6 flags u16 | +8 sequence u32 | +12 sender u32 | +16 payload
 *
 *  payload: a fixed header by type (link.ts, address.ts, ..), then attributes (attributes.ts)
 * ```
 */
import { type AddressMessage, readAddress } from './address.ts';
import { OTHER, type Other } from './attributes.ts';
import { type LinkMessage, readLink } from './link.ts';
import { type NeighbourMessage, readNeighbour } from './neighbour.ts';
import { type RouteMessage, readRoute } from './route.ts';

export const MESSAGE_HEADER_BYTES = 16;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
const NLM_F_MULTI = 0x2;
const NLM_F_DUMP_INTERRUPTED = 0x10;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_OVERRUN = 4;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

/** The end of a dump, or the answer to a request that failed; `errno` 0 means success. */
export interface AnswerMessage {
  readonly kind: 'done' | 'error';
  readonly errno: number;
}

type Body =
  | LinkMessage
  | AddressMessage
  | RouteMessage
  | NeighbourMessage
  | AnswerMessage
  | Other
  | { readonly kind: 'overrun' };

export type NetlinkMessage = Body & {
  /** Of the request that this answers; in news, of whoever caused them. */
  readonly sequence: number;
  /** Part of a dump, not news. */
  readonly multi: boolean;
  /** A dump that the tables changed under: what it said may contradict itself. */
  readonly interrupted: boolean;
};

/** Hands every message of one datagram to `visit`; false when the rest makes no sense. */
export function readMessages(
  view: DataView,
  length: number,
  visit: (message: NetlinkMessage) => void,
): boolean {
  let at = 0;
  const end = Math.min(length, view.byteLength);
  while (end - at >= MESSAGE_HEADER_BYTES) {
    const messageLength = view.getUint32(at, true);
    if (messageLength < MESSAGE_HEADER_BYTES || messageLength > end - at) return false;
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const sequence = view.getUint32(at + 8, true);
    const body = readBody(view, type, at + MESSAGE_HEADER_BYTES, at + messageLength);
    if (body === undefined) return false;
    const multi = (flags & NLM_F_MULTI) !== 0;
    const interrupted = (flags & NLM_F_DUMP_INTERRUPTED) !== 0;
    visit({ ...body, sequence, multi, interrupted });
    at += (messageLength + 3) & ~3;
  }
  return at >= end;
}

function readBody(view: DataView, type: number, at: number, end: number): Body | undefined {
  switch (type) {
    case NLMSG_ERROR:
    case NLMSG_DONE: {
      if (end - at < 4) return type === NLMSG_DONE ? { kind: 'done', errno: 0 } : undefined;
      return {
        kind: type === NLMSG_DONE ? 'done' : 'error',
        errno: Math.abs(view.getInt32(at, true)),
      };
    }
    case NLMSG_OVERRUN:
      return { kind: 'overrun' };
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return readLink(view, type === RTM_DELLINK, at, end);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return readAddress(view, type === RTM_DELADDR, at, end);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return readRoute(view, type === RTM_DELROUTE, at, end);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return readNeighbour(view, type === RTM_DELNEIGH, at, end);
    default:
      return OTHER;
  }
}
