/**
 * Prints how many bytes of heap a million of each operation allocate, as one line of JSON. Run with
 * --expose-gc and a young generation that holds all a million allocations would make, so that no
 * collection hides any.
 */
import { FlowTable } from '../flow-table.ts';
import { NONE } from '../none.ts';
import { flowOf, START_MS } from '../testing.ts';
import { INBOUND, OUTBOUND } from '../traffic.ts';

const FLOWS = 4_096;
const OPERATIONS = 1_000_000;
/** Until the code is compiled: what the interpreter boxes is not ours. */
const ROUNDS = 4;

const table = new FlowTable({ capacityMax: 10_000, seed: 5, nowMs: START_MS, dueMax: 64 });
for (let n = 0; n < FLOWS; n++) table.put(flowOf(n, { deadlineMs: START_MS + 1 + n }), START_MS);

let nowMs = START_MS;
const keys = new Int32Array(16);

function findOutbound(n: number): number {
  return table.find(6, 0xc6120000 | 0, 0xc6336414 | 0, (n << 16) | 443, nowMs);
}

function findInbound(n: number): number {
  return table.find(0xffffff06 | 0, 0xc6336414 | 0, 0xcb007100 | 0, (443 << 16) | n, nowMs);
}

const operations: Record<string, (i: number) => void> = {
  lookup(i) {
    const n = i & (FLOWS - 1);
    if (findOutbound(n) === NONE || findInbound(n) === NONE) throw new Error('lost');
  },
  prefetch(i) {
    for (let k = 0; k < 4; k++) {
      keys[4 * k] = 6;
      keys[4 * k + 1] = 0xc6120000 | 0;
      keys[4 * k + 2] = 0xc6336414 | 0;
      keys[4 * k + 3] = ((i + k) << 16) | 443;
    }
    table.prefetch(keys, 4);
  },
  miss(i) {
    if (findOutbound(FLOWS + (i & 1_023)) !== NONE) throw new Error('found');
  },
  touch(i) {
    const slot = 1 + (i & (FLOWS - 1));
    table.setSeenMs(slot, nowMs);
    table.setFlags(slot, table.flags(slot) | 4);
    if (nowMs < table.confirmedMs(slot) || nowMs < table.touchDueMs(slot)) throw new Error('odd');
    table.extend(slot, nowMs + 5_000 + (i & 1_023));
    table.count(slot, (i & 1) === 0 ? OUTBOUND : INBOUND, 1_500);
  },
  /** Every row is touched before its timer fires, and sleeps again when it does. */
  tick() {
    nowMs++;
    for (let k = 0; k < 2; k++) {
      const slot = 1 + ((2 * nowMs + k) & (FLOWS - 1));
      table.extend(slot, nowMs + 5_000);
    }
    if (table.poll(nowMs) !== 0) throw new Error('early');
    table.nextDueMs();
  },
};

function run(operate: (i: number) => void): number {
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < OPERATIONS; i++) operate(i);
  return process.memoryUsage().heapUsed - before;
}

const bytes: Record<string, number> = {};
for (const [name, operate] of Object.entries(operations)) {
  for (let round = 1; round < ROUNDS; round++) run(operate);
  globalThis.gc!();
  bytes[name] = run(operate);
}
const { timerSteps } = table.counters;
console.log(JSON.stringify({ bytes, timerSteps }));
