/** Drives one wire to its limits and answers with what it counted: node wire-limits.ts IF */
import { execFileSync } from 'node:child_process';
import {
  createFrameMemory,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MIN,
  openAfPacket,
  type WireCounters,
} from '../index.ts';
import { parseAddress, udpFrame } from './udp-frame.ts';

const interfaceName = process.argv[2];
const wire = openAfPacket({ interfaceName, batchMax: 4 });
const BROADCAST = [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0];
let before: WireCounters = { ...wire.counters };

function counted(...names: (keyof WireCounters)[]): Record<string, number> {
  const now = { ...wire.counters };
  const result = Object.fromEntries(names.map((name) => [name, now[name] - before[name]]));
  if (names.includes('lastErrno')) result.lastErrno = now.lastErrno;
  before = now;
  return result;
}

/** A UDP packet of nearly 64 KiB that says how to cut it (UDP fragments of 1000 bytes). */
function largeFrame(): ReturnType<typeof udpFrame> {
  const frame = udpFrame(parseAddress('198.18.0.2'), parseAddress('198.18.0.1'), 1, 60_000);
  frame.memory.bytes.set(BROADCAST, 10);
  const GSO_UDP_L4 = 5;
  frame.memory.view.setUint8(0, 1);
  frame.memory.view.setUint8(1, GSO_UDP_L4);
  frame.memory.view.setUint16(2, 42, true);
  frame.memory.view.setUint16(4, 1000, true);
  frame.memory.view.setUint16(6, 34, true);
  frame.memory.view.setUint16(8, 6, true);
  return frame;
}

const plain = createFrameMemory(2 * FRAME_BYTES_MAX);
wire.send(plain, 0, FRAME_BYTES_MIN - 1);
wire.send(plain, 0, FRAME_BYTES_MAX + 1);
// Longer than the MTU and no word of how to cut it: the kernel refuses (EMSGSIZE).
wire.send(plain, 0, 3000);
wire.flush();
const refused = counted('txFrames', 'txErrors');

const { memory, length } = largeFrame();
for (let k = 0; k < 20; k++) wire.send(memory, 0, length);
wire.flush();
const large = counted('txFrames', 'txErrors', 'txDropped');

execFileSync('ip', ['link', 'set', interfaceName, 'down']);
wire.receive();
counted();
const small = udpFrame(1, 2, 3, 20);
for (let k = 0; k < 5; k++) wire.send(small.memory, 0, small.length);
wire.flush();
const down = counted('txFrames', 'txErrors', 'linkDowns', 'lastErrno');

wire.close();
wire.close();
const closed = { received: wire.receive(), fd: wire.fd };
process.stdout.write(`${JSON.stringify({ refused, large, down, closed })}\n`);
