/**
 * Sends or collects frames through a wire of this package.
 *
 *   node frames.ts send IF FROM_ADDRESS TO_ADDRESS    stdin: `COUNT PAYLOAD_BYTES` a burst
 *   node frames.ts collect IF                         stdin: `COUNT`; answers with their payloads
 */
import { createInterface } from 'node:readline';
import {
  bootClock,
  createKernelNextHops,
  createWaiter,
  IP_OFFSET,
  openAfPacket,
  type Wire,
} from '../index.ts';
import { parseAddress, udpFrame } from './udp-frame.ts';

const [mode, interfaceName, from, to] = process.argv.slice(2);
const COLLECT_MS_MAX = 10_000;
const clock = bootClock();
const wire = openAfPacket({ interfaceName });
const answer = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);
answer({ ready: true });
createInterface({ input: process.stdin }).on('line', (line) => {
  const [count, payloadBytes] = line.split(' ').map(Number);
  if (mode === 'collect') answer(collect(wire, count));
  else answer(burst(wire, count, payloadBytes));
});

function burst(out: Wire, count: number, payloadBytes: number): unknown {
  const hops = createKernelNextHops({ nowMs: clock() });
  const waiter = createWaiter([hops]);
  const destination = parseAddress(to);
  const frames: string[] = [];
  for (let k = 0; k < count; k++) {
    const { memory, length } = udpFrame(parseAddress(from), destination, k, payloadBytes);
    const deadlineMs = clock() + COLLECT_MS_MAX;
    while (hops.write(memory.view, 0, destination, clock()) < 0) {
      if (clock() > deadlineMs) return { error: 'the next hop did not resolve' };
      waiter.wait(50);
      hops.poll(clock());
    }
    out.send(memory, 0, length);
    frames.push(hex(memory.bytes.subarray(IP_OFFSET, length)));
  }
  out.flush();
  waiter.close();
  hops.close();
  return { frames, counters: out.counters };
}

/** Collects UDP packets; others (the kernel's own) are not what the test sent. */
function collect(source: Wire, count: number): unknown {
  const waiter = createWaiter([source]);
  const frames: string[] = [];
  const offsets: number[] = [];
  const deadlineMs = clock() + COLLECT_MS_MAX;
  while (frames.length < count && clock() < deadlineMs) {
    const got = source.receive();
    for (let k = 0; k < got; k++) {
      const offset = source.offset(k);
      const end = offset + source.length(k);
      if (source.memory.bytes[offset + IP_OFFSET + 9] !== 17) continue;
      frames.push(hex(source.memory.bytes.subarray(offset + IP_OFFSET, end)));
      offsets.push(offset);
    }
    if (got === 0) waiter.wait(100);
  }
  waiter.close();
  return { frames, offsets, counters: source.counters };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
