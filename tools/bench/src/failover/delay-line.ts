/**
 * A router that takes its time: each packet leaves so many ms after it came, in order.
 *
 *   node delay-line.ts DEVICE DEVICE DELAY_MS     stdout: `ready`; ends by a signal, or by itself
 */
import {
  bootClock,
  createFrameMemory,
  createKernelNextHops,
  createWaiter,
  type FrameMemory,
  IP_OFFSET,
  openAfPacket,
  type Wire,
} from '@flowstore/packet-io';

const LIVES_MS_MAX = 15 * 60_000;
/** Further ones are dropped, as a real line's buffer does. */
const PACKETS_MAX = 16_384;
const WAIT_MS = 1;
const IDLE_MS = 50;
const DESTINATION_AT = IP_OFFSET + 16;

interface Waiting {
  readonly memory: FrameMemory;
  readonly length: number;
  readonly dueMs: number;
}

const [first = '', second = '', delay = ''] = process.argv.slice(2);
const delayMs = Number(delay);
const clock = bootClock();
const hops = createKernelNextHops({ nowMs: clock() });
const wires = [first, second].map((interfaceName) => openAfPacket({ interfaceName }));
const byIndex = new Map(wires.map((wire) => [hops.interfaceIndex(wire.name), wire]));
const waiter = createWaiter([...wires, hops]);
let queue: Waiting[] = [];
let dropped = 0;

function take(wire: Wire, nowMs: number): void {
  const count = wire.receive();
  for (let k = 0; k < count; k++) {
    if (queue.length === PACKETS_MAX) dropped += 1;
    else {
      const length = wire.length(k);
      const memory = createFrameMemory(length);
      const at = wire.offset(k);
      memory.bytes.set(wire.memory.bytes.subarray(at, at + length));
      queue.push({ memory, length, dueMs: nowMs + delayMs });
    }
  }
}

function release(nowMs: number): void {
  const due = queue.findIndex(({ dueMs }) => dueMs > nowMs);
  const leaving = due === -1 ? queue : queue.slice(0, due);
  queue = due === -1 ? [] : queue.slice(due);
  for (const { memory, length } of leaving) {
    const destination = memory.view.getUint32(DESTINATION_AT);
    byIndex.get(hops.write(memory.view, 0, destination, nowMs))?.send(memory, 0, length);
  }
  for (const wire of wires) wire.flush();
}

hops.resolveGateways(clock());
process.stdout.write('ready\n');
const endMs = clock() + LIVES_MS_MAX;
for (let nowMs = clock(); nowMs < endMs; nowMs = clock()) {
  waiter.wait(queue.length === 0 ? IDLE_MS : WAIT_MS);
  hops.poll(nowMs);
  for (const wire of wires) take(wire, clock());
  release(clock());
}
process.stderr.write(`the line ends by itself, ${dropped} packets were too many\n`);
process.exit(1);
