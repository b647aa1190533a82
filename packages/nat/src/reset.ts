/**
 * The TCP RST that answers a segment of an unknown connection (RFC 9293 section 3.10.7.1): the
 * sender learns at once that its connection is gone, instead of retransmitting for minutes.
 */
import { TCP } from '@flowstore/flow';
import { pseudoHeaderSum, sumBytes } from './checksum.ts';
import {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_HEADER_BYTES,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  TCP_ACK,
  TCP_ACKNOWLEDGEMENT,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_FIN,
  TCP_FLAGS,
  TCP_HEADER_BYTES,
  TCP_RST,
  TCP_SEQUENCE,
  TCP_SYN,
} from './headers.ts';
import type { Packet } from './parse.ts';

export const RESET_BYTES = IPV4_HEADER_BYTES + TCP_HEADER_BYTES;

/** Writes the RST for `packet` (read from `view`) at `out`; RESET_BYTES long. */
export function writeReset(view: DataView, packet: Packet, to: DataView, out: number): void {
  const transport = packet.transportOffset;
  for (let i = 0; i < RESET_BYTES; i++) to.setUint8(out + i, 0);
  to.setUint8(out, 0x45);
  to.setUint16(out + IPV4_TOTAL_LENGTH, RESET_BYTES);
  to.setUint8(out + IPV4_TTL, 64);
  to.setUint8(out + IPV4_PROTOCOL, TCP);
  to.setUint32(out + IPV4_SOURCE, packet.destination);
  to.setUint32(out + IPV4_DESTINATION, packet.source);
  to.setUint16(out + IPV4_CHECKSUM, ~sumBytes(to, out, IPV4_HEADER_BYTES));
  const tcp = out + IPV4_HEADER_BYTES;
  to.setUint16(tcp, packet.destinationPort);
  to.setUint16(tcp + 2, packet.sourcePort);
  to.setUint8(tcp + TCP_DATA_OFFSET, (TCP_HEADER_BYTES / 4) << 4);
  if (packet.tcpFlags & TCP_ACK) {
    to.setUint32(tcp + TCP_SEQUENCE, view.getUint32(transport + TCP_ACKNOWLEDGEMENT));
    to.setUint8(tcp + TCP_FLAGS, TCP_RST);
  } else {
    const headerLength = (view.getUint8(transport + TCP_DATA_OFFSET) >>> 4) * 4;
    const phantom = (packet.tcpFlags & TCP_SYN ? 1 : 0) + (packet.tcpFlags & TCP_FIN ? 1 : 0);
    const consumed = packet.transportLength - headerLength + phantom;
    const acknowledgement = view.getUint32(transport + TCP_SEQUENCE) + consumed;
    to.setUint32(tcp + TCP_ACKNOWLEDGEMENT, acknowledgement);
    to.setUint8(tcp + TCP_FLAGS, TCP_RST | TCP_ACK);
  }
  const pseudo = pseudoHeaderSum(packet.destination, packet.source, TCP, TCP_HEADER_BYTES);
  to.setUint16(tcp + TCP_CHECKSUM, ~sumBytes(to, tcp, TCP_HEADER_BYTES, pseudo));
}
