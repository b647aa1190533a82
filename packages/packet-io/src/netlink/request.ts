import { AF_INET } from './attributes.ts';
import {
  MESSAGE_HEADER_BYTES,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  RTM_NEWNEIGH,
} from './message.ts';
import { NDA_DST } from './neighbour.ts';

/** Room that any request of this file needs. */
export const REQUEST_BYTES_MAX = 64;

/** The fixed header behind the message header: 16 bytes are enough for every dump. */
const DUMP_HEADER_BYTES = 16;
const NEIGHBOUR_HEADER_BYTES = 12;
const NTF_USE = 1;

/** Writes "tell me the whole table"; returns the bytes of the message. */
export function writeDumpRequest(view: DataView, type: number, sequence: number): number {
  const length = MESSAGE_HEADER_BYTES + DUMP_HEADER_BYTES;
  writeHeader(view, length, type, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  for (let at = MESSAGE_HEADER_BYTES; at < length; at++) view.setUint8(at, 0);
  view.setUint8(MESSAGE_HEADER_BYTES, AF_INET);
  return length;
}

/**
 * Writes "I am using this neighbour" (NTF_USE): the kernel resolves it when it is unknown, and
 * verifies it when it is stale, as if the kernel had a packet for it. Returns the bytes.
 */
export function writeUseNeighbour(
  view: DataView,
  sequence: number,
  interfaceIndex: number,
  address: number,
): number {
  const body = MESSAGE_HEADER_BYTES;
  const attribute = body + NEIGHBOUR_HEADER_BYTES;
  const length = attribute + 8;
  writeHeader(view, length, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE, sequence);
  view.setUint32(body, AF_INET, true);
  view.setInt32(body + 4, interfaceIndex, true);
  view.setUint16(body + 8, 0, true);
  view.setUint8(body + 10, NTF_USE);
  view.setUint8(body + 11, 0);
  view.setUint16(attribute, 8, true);
  view.setUint16(attribute + 2, NDA_DST, true);
  view.setUint32(attribute + 4, address, false);
  return length;
}

function writeHeader(
  view: DataView,
  length: number,
  type: number,
  flags: number,
  sequence: number,
): void {
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, 0, true);
}
