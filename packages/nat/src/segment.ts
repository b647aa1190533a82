/** What a packet adds to its flow's state, by direction: the lattice's flags of @flowstore/flow. */
import { IN_DATA, IN_FIN, IN_SYN, OUT_DATA, OUT_FIN, OUT_SYN, TCP } from '@flowstore/flow';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from './headers.ts';
import type { Packet } from './parse.ts';

/** Indexed by FIN | SYN | RST (bits 0-2): the flags of a segment going out; in is one bit up. */
const OUT_FLAGS = Uint8Array.of(
  OUT_DATA, //                    a plain segment: data or a bare ACK
  OUT_DATA | OUT_FIN, //  FIN
  OUT_SYN, //         SYN
  OUT_SYN, //         SYN FIN     nonsense: counts as the SYN alone
  0, //           RST             an RST has a time of its own
  0, //           RST     FIN
  0, //           RST SYN
  0, //           RST SYN FIN
);

export function outboundFlags(packet: Packet): number {
  return packet.protocol === TCP ? OUT_FLAGS[packet.tcpFlags & 7]! : OUT_DATA;
}

export function inboundFlags(packet: Packet): number {
  return packet.protocol === TCP ? OUT_FLAGS[packet.tcpFlags & 7]! << 1 : IN_DATA;
}

export function isReset(packet: Packet): boolean {
  return (packet.tcpFlags & TCP_RST) !== 0;
}

/** A SYN without an ACK: the first segment of a connection. */
export function isFirstSegment(packet: Packet): boolean {
  return (packet.tcpFlags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) === TCP_SYN;
}

/** A SYN, or a SYN-ACK. */
export function isSyn(packet: Packet): boolean {
  return (packet.tcpFlags & (TCP_SYN | TCP_RST | TCP_FIN)) === TCP_SYN;
}

// The shift above relies on the lattice's layout: each "in" bit is just above its "out" bit.
if (IN_SYN !== OUT_SYN << 1 || IN_DATA !== OUT_DATA << 1 || IN_FIN !== OUT_FIN << 1) {
  throw new Error('the lattice flags of the two directions are not one bit apart');
}
