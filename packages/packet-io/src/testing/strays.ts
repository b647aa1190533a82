/**
 * Sends frames that no router would take, then one that it would:
 *
 *   node strays.ts IF MAC     answers with the IP packet of the last
 */
import { createFrameMemory, IP_OFFSET, openAfPacket, VNET_BYTES } from '../index.ts';
import { parseAddress, udpFrame } from './udp-frame.ts';

const [interfaceName, mac] = process.argv.slice(2);
const wire = openAfPacket({ interfaceName });
const right = mac.split(':').map((part) => Number.parseInt(part, 16));
const VLAN_TAG = [0x81, 0x00, 0x00, 0x07];

function send(destinationMac: number[], etherType: number[], seed: number): Uint8Array {
  const frame = udpFrame(parseAddress('198.18.0.2'), parseAddress('198.19.0.2'), seed, 20);
  const packet = frame.memory.bytes.subarray(IP_OFFSET);
  const header = [...destinationMac, 2, 0, 0, 0, 0, 1, ...etherType];
  const memory = createFrameMemory(VNET_BYTES + header.length + packet.length);
  memory.bytes.set(header, VNET_BYTES);
  memory.bytes.set(packet, VNET_BYTES + header.length);
  wire.send(memory, 0, memory.bytes.length);
  return packet;
}

const IPV4 = [0x08, 0x00];
const ARP = [0x08, 0x06];
send([2, 0, 0, 0, 0, 99], IPV4, 1);
send([255, 255, 255, 255, 255, 255], IPV4, 2);
send([0x01, 0x00, 0x5e, 0, 0, 5], IPV4, 3);
send(right, ARP, 4);
send(right, [...VLAN_TAG, ...IPV4], 5);
const packet = send(right, IPV4, 6);
wire.flush();
const { txFrames } = wire.counters;
const answer = { packet: Buffer.from(packet).toString('hex'), txFrames };
process.stdout.write(`${JSON.stringify(answer)}\n`);
