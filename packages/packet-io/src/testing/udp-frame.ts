import { createFrameMemory, type FrameMemory, IP_OFFSET } from '../frame.ts';

const IP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;

/** A frame with a UDP packet (no UDP checksum), its payload told apart by `seed`. */
export function udpFrame(
  from: number,
  to: number,
  seed: number,
  payloadBytes: number,
): { memory: FrameMemory; length: number } {
  const ipBytes = IP_HEADER_BYTES + UDP_HEADER_BYTES + payloadBytes;
  const memory = createFrameMemory(IP_OFFSET + ipBytes);
  const { view, bytes } = memory;
  const ip = IP_OFFSET;
  view.setUint8(ip, 0x45);
  view.setUint16(ip + 2, ipBytes);
  view.setUint16(ip + 4, seed & 0xffff);
  view.setUint8(ip + 8, 64);
  view.setUint8(ip + 9, 17);
  view.setUint32(ip + 12, from);
  view.setUint32(ip + 16, to);
  let sum = 0;
  for (let at = ip; at < ip + IP_HEADER_BYTES; at += 2) sum += view.getUint16(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(ip + 10, ~sum & 0xffff);
  view.setUint16(ip + 20, 40_000 + (seed % 20_000));
  view.setUint16(ip + 22, 9);
  view.setUint16(ip + 24, UDP_HEADER_BYTES + payloadBytes);
  for (let k = 0; k < payloadBytes; k++) bytes[ip + 28 + k] = (seed * 7 + k) & 0xff;
  return { memory, length: IP_OFFSET + ipBytes };
}

export function parseAddress(text: string): number {
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
