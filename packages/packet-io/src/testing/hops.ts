/**
 * Asks the kernel's next hops, by line:
 *
 *   node hops.ts [INTERFACE]     only by routes over this one
 *   stdin: `write ADDRESS`, `local ADDRESS`, `link NAME`, `counters`, `cost ADDRESS`
 */
import { createInterface } from 'node:readline';
import { bootClock, createFrameMemory, createKernelNextHops, VNET_BYTES } from '../index.ts';
import { parseAddress } from './udp-frame.ts';

export interface WriteAnswer {
  index: number;
  header: string;
}

const COST_CALLS = 300_000;
const clock = bootClock();
const [via] = process.argv.slice(2);
const hops = createKernelNextHops({ nowMs: clock(), ...(via !== undefined && { via }) });
const { bytes, view } = createFrameMemory(64);
const answer = (message: unknown) => process.stdout.write(`${JSON.stringify(message)}\n`);
answer({ ready: true });

createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, argument] = line.split(' ');
  hops.poll(clock());
  if (command === 'write') {
    bytes.fill(0);
    const index = hops.write(view, 4, parseAddress(argument), clock());
    const header = bytes.subarray(4 + VNET_BYTES, 4 + VNET_BYTES + 14);
    answer({ index, header: Buffer.from(header).toString('hex') });
  } else if (command === 'local') answer(hops.isLocal(parseAddress(argument)));
  else if (command === 'link') {
    const index = hops.interfaceIndex(argument);
    answer({ index, mtu: hops.mtu(index) });
  } else if (command === 'cost') answer(cost(parseAddress(argument)));
  else answer(hops.counters);
});

/** Time and garbage of a hit; few enough calls that the garbage of one word each would show. */
function cost(destination: number): { ns: number; bytes: number } {
  const nowMs = clock();
  const run = () => {
    for (let k = 0; k < COST_CALLS; k++) hops.write(view, 4, destination, nowMs);
  };
  for (let k = 0; k < 5; k++) run();
  const heapBefore = process.memoryUsage().heapUsed;
  const startMs = clock();
  run();
  const ns = ((clock() - startMs) * 1e6) / COST_CALLS;
  return { ns, bytes: (process.memoryUsage().heapUsed - heapBefore) / COST_CALLS };
}
