/** Sends into a slow way out; answers with what became of it: node congestion.ts IF BUFFER_BYTES */
import { bootClock, openAfPacket } from '../index.ts';
import { parseAddress, udpFrame } from './udp-frame.ts';

const [interfaceName, sendBufferBytes] = process.argv.slice(2);
const FRAMES = 500;
const clock = bootClock();
const wire = openAfPacket({ interfaceName, sendBufferBytes: Number(sendBufferBytes) });
const startMs = clock();
for (let k = 0; k < FRAMES; k++) {
  const frame = udpFrame(parseAddress('198.18.0.2'), parseAddress('198.18.0.1'), k, 1000);
  frame.memory.bytes.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0], 10);
  wire.send(frame.memory, 0, frame.length);
}
wire.flush();
process.stdout.write(`${JSON.stringify({ ...wire.counters, ms: clock() - startMs })}\n`);
