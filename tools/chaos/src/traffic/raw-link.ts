/** A host's link past its own stack: whole IPv4 packets go to its router, whoever they are from. */
import { readFileSync } from 'node:fs';
import { createFrameMemory, IP_OFFSET, openAfPacket, VNET_BYTES } from '@flowstore/packet-io';

const DEVICE = 'eth0';
const PACKET_BYTES_MAX = 2_048;
const OWN_MAC = [2, 0, 0, 0, 0, 1];
const IPV4 = [0x08, 0x00];

/** Throws an Error where the host's kernel does not know the router's MAC: ping it first. */
export function openRawLink(router: string) {
  const header = [...macOf(router), ...OWN_MAC, ...IPV4];
  const wire = openAfPacket({ interfaceName: DEVICE, batchMax: 64 });
  const memory = createFrameMemory(IP_OFFSET + PACKET_BYTES_MAX);
  return {
    wire,
    /** Queued until `wire.flush()`, or until many are. */
    send(packet: Uint8Array): void {
      memory.bytes.fill(0, 0, VNET_BYTES);
      memory.bytes.set(header, VNET_BYTES);
      memory.bytes.set(packet, IP_OFFSET);
      wire.send(memory, 0, IP_OFFSET + packet.length);
    },
  };
}

function macOf(address: string): number[] {
  const line = readFileSync('/proc/net/arp', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${address} `));
  const mac = line?.split(/\s+/)[3];
  if (mac === undefined) throw new Error(`${address} is not in /proc/net/arp: ping it first`);
  return mac.split(':').map((part) => Number.parseInt(part, 16));
}
