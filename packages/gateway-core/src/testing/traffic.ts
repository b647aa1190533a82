/** The packets that most scenarios begin with, and answers to what left a gateway. */
import { TCP, UDP } from '@flowstore/flow';
import type { PacketSpec } from '@flowstore/nat/testing';
import { INSIDE, REMOTE, type Sent } from './world.ts';

export const SYN = 0x02;
export const RST = 0x04;
export const ACK = 0x10;
export const SYN_ACK = 0x12;

export const udpOut: PacketSpec = {
  protocol: UDP,
  from: INSIDE,
  fromPort: 5000,
  to: REMOTE,
  toPort: 53,
};
export const tcpOut: PacketSpec = { ...udpOut, protocol: TCP, toPort: 80, tcpFlags: SYN };
/** Of the connection that `tcpOut` opens. */
export const segment: PacketSpec = { ...tcpOut, tcpFlags: ACK };

/** The remote host's answer to a packet as it left on the outside. */
export function back(sent: Sent, spec: Partial<PacketSpec> = {}): PacketSpec {
  const { to: from, toPort: fromPort, from: to, fromPort: toPort } = sent;
  return { protocol: UDP, from, fromPort, to, toPort, ...spec };
}
