/**
 * Sends 60-byte UDP frames as fast as it can, for a bounded time.
 *
 *   node flood.ts IF FROM TO DESTINATION_MAC SECONDS FLOWS
 */
import { bootClock, openAfPacket } from '../index.ts';
import { parseAddress, udpFrame } from './udp-frame.ts';

const [interfaceName, from, to, mac, seconds, flows] = process.argv.slice(2);
const SECONDS_MAX = 10;
const BATCH = 64;
const FRAME_STRIDE = 128;
const UDP_SOURCE_PORT = 44;

const clock = bootClock();
const wire = openAfPacket({ interfaceName, batchMax: BATCH });
// The wire's own receive memory: native, so that nothing is copied; nothing is received here.
const { memory } = wire;
let length = 0;
for (let k = 0; k < BATCH; k++) {
  const frame = udpFrame(parseAddress(from), parseAddress(to), k, 18);
  const header = [
    ...mac.split(':').map((part) => Number.parseInt(part, 16)),
    2,
    0,
    0,
    0,
    0,
    1,
    8,
    0,
  ];
  frame.memory.bytes.set(header, 10);
  memory.bytes.set(frame.memory.bytes, k * FRAME_STRIDE);
  length = frame.length;
}

const startMs = clock();
const endMs = startMs + Math.min(Number(seconds), SECONDS_MAX) * 1000;
let flow = 0;
let nowMs = startMs;
while (nowMs < endMs) {
  for (let k = 0; k < BATCH; k++) {
    memory.view.setUint16(k * FRAME_STRIDE + UDP_SOURCE_PORT, 1024 + flow);
    flow = (flow + 1) % Number(flows);
    wire.send(memory, k * FRAME_STRIDE, length);
  }
  wire.flush();
  nowMs = clock();
}
process.stdout.write(`${JSON.stringify({ sent: wire.counters.txFrames, ms: nowMs - startMs })}\n`);
