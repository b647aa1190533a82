/**
 * A quick measurement, run by node directly: node flow-table.bench.ts [flows].
 * The bench that compares with others is tools/bench.
 */

import { PREFETCH_MAX } from './flow-index.ts';
import type { FlowInput } from './flow-input.ts';
import { FlowTable } from './flow-table.ts';
import { START_MS } from './testing.ts';
import { INBOUND, OUTBOUND } from './traffic.ts';

const keys = new Int32Array(4 * PREFETCH_MAX);
/** The longest group of inserts is no shorter than the longest insert. */
const INSERTS_PER_GROUP = 64;

const flows = Number(process.argv[2] ?? 1_000_000);
const table = new FlowTable({ seed: 42, nowMs: START_MS, highWaterMax: 20_000_000 });
const order = shuffled(flows, 1);
const again = shuffled(flows, 2);

const collect = globalThis.gc ?? (() => {});
let pollsMs: number[] = [];

function report(what: string, count: number, run: () => void): void {
  const before = process.cpuUsage();
  const heapBefore = process.memoryUsage().heapUsed;
  run();
  const { user, system } = process.cpuUsage(before);
  const heap = (process.memoryUsage().heapUsed - heapBefore) / count;
  const cpu = ((1_000 * (user + system)) / count).toFixed(0);
  console.log(`${what.padEnd(28)} ${cpu.padStart(5)} ns CPU, ${heap.toFixed(1)} bytes of heap`);
}

// A few rounds on a small table, so that the figures are of compiled code.
for (let round = 0; round < 3; round++) {
  const warm = new FlowTable({ capacityMax: 20_000, seed: 1, nowMs: START_MS });
  insertAll(warm, shuffled(20_000, 1));
  touchAll(warm, shuffled(20_000, 2), START_MS);
  touchAll(warm, shuffled(20_000, 2), START_MS, true);
  missAll(warm, 20_000);
  drain(warm);
}

collect();
const rssBefore = process.memoryUsage().rss;
report('insert with timer', flows, () => insertAll(table, order));
report('find + touch, random', flows, () => touchAll(table, again, START_MS));
report('find + touch, random again', flows, () => touchAll(table, again, START_MS + 1));
report('find + touch, announced', flows, () => touchAll(table, again, START_MS + 1, true));
report('find + touch, hot', flows, () => {
  const hot = again.subarray(0, 64);
  for (let i = 0; i < flows / 64; i++) touchAll(table, hot, START_MS + 2);
});
report('miss', flows, () => missAll(table, flows));
collect();
const rss = process.memoryUsage().rss - rssBefore;
console.log(`${'resident memory'.padEnd(28)} ${(rss / flows).toFixed(1)} bytes per flow`);
report('extend all + expire', flows, () => drain(table));
console.log(`${'a poll and its removals'.padEnd(28)} ${describe(pollsMs)}`);
const usualNs = hostileLookups('lookup, random addresses', (n) => Math.imul(n, 0x9e3779b1) >>> 0);
const hostileNs = hostileLookups('lookup, keys of one XOR', (n) => n);
console.log(`${'hostile over random'.padEnd(28)} ${(hostileNs / usualNs).toFixed(2)}`);

/** Keys whose words XOR to one value when `remoteOf` is the identity: a naive hash's worst. */
function hostileLookups(what: string, remoteOf: (n: number) => number): number {
  const on = new FlowTable({ seed: 7, nowMs: START_MS, highWaterMax: 20_000_000 });
  for (let i = 0; i < flows; i++) {
    const n = order[i]!;
    const addresses = { insideAddress: n, remoteAddress: remoteOf(n), outsideAddress: n };
    on.put({ ...flowOf(0), ...addresses }, START_MS);
  }
  const before = process.cpuUsage();
  for (let i = 0; i < flows; i++) {
    const n = again[i]!;
    if (on.find(6, n, remoteOf(n), 443, START_MS) < 0) throw new Error('lost');
  }
  const { user, system } = process.cpuUsage(before);
  const cpu = (1_000 * (user + system)) / flows;
  console.log(`${what.padEnd(28)} ${cpu.toFixed(0).padStart(5)} ns CPU, 0 bytes of heap`);
  return cpu;
}

function flowOf(n: number): FlowInput {
  return {
    domain: 0,
    protocol: 6,
    insideAddress: 0xc6120000 + (n >>> 16),
    insidePort: n & 0xffff,
    remoteAddress: 0xc6336414,
    remotePort: 443,
    outsideAddress: 0xcb007100 + (n >>> 16),
    outsidePort: n & 0xffff,
    generation: 1_700_000_000_000_000 + n,
    nonce: n,
    flags: 1,
    seenMs: START_MS,
    rstMs: 0,
    deadlineMs: START_MS + 60_000,
    confirmedMs: START_MS - 10,
    touchDueMs: START_MS - 5,
  };
}

function insertAll(into: FlowTable, numbers: Uint32Array): void {
  const groupsMs: number[] = [];
  for (let from = 0; from < numbers.length; from += INSERTS_PER_GROUP) {
    const startMs = threadCpuMs();
    const to = Math.min(from + INSERTS_PER_GROUP, numbers.length);
    for (let i = from; i < to; i++) into.put(flowOf(numbers[i]!), START_MS);
    groupsMs.push(threadCpuMs() - startMs);
  }
  if (numbers.length > 20_000)
    console.log(`${INSERTS_PER_GROUP} inserts, CPU: ${describe(groupsMs)}`);
}

/** Linux brings a thread's account up to date when the whole process is asked for. */
function threadCpuMs(): number {
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** As by whoever read these packets at once: outbound ones where the index is even. */
function announce(on: FlowTable, numbers: Uint32Array): void {
  for (let i = 0; i < numbers.length; i++) {
    const n = numbers[i]!;
    const isOutbound = (i & 1) === 0;
    keys[4 * i] = isOutbound ? 6 : 0xffffff06;
    keys[4 * i + 1] = isOutbound ? 0xc6120000 + (n >>> 16) : 0xc6336414;
    keys[4 * i + 2] = isOutbound ? 0xc6336414 : 0xcb007100 + (n >>> 16);
    keys[4 * i + 3] = isOutbound ? (n << 16) | 443 : (443 << 16) | (n & 0xffff);
  }
  on.prefetch(keys, numbers.length);
}

function touchAll(on: FlowTable, numbers: Uint32Array, nowMs: number, announces = false): void {
  for (let i = 0; i < numbers.length; i++) {
    if (announces && i % PREFETCH_MAX === 0) announce(on, numbers.subarray(i, i + PREFETCH_MAX));
    const n = numbers[i]!;
    const high = n >>> 16;
    const port = n & 0xffff;
    const slot =
      (i & 1) === 0
        ? on.find(6, 0xc6120000 + high, 0xc6336414, (port << 16) | 443, nowMs)
        : on.find(0xffffff06 | 0, 0xc6336414, 0xcb007100 + high, (443 << 16) | port, nowMs);
    if (slot < 0) throw new Error('lost');
    on.setFlags(slot, on.flags(slot) | 12);
    on.setSeenMs(slot, nowMs);
    if (nowMs < on.confirmedMs(slot) || nowMs < on.touchDueMs(slot)) throw new Error('odd');
    on.extend(slot, nowMs + 60_000 + (n & 0x3ff));
    on.count(slot, (i & 1) === 0 ? OUTBOUND : INBOUND, 100);
  }
}

function missAll(on: FlowTable, count: number): void {
  for (let i = 0; i < count; i++) {
    const flow = 0x7f000000 + i;
    if (on.find(6, flow, 0xc6336414, 443, START_MS) !== -1) throw new Error('found');
  }
}

function drain(from: FlowTable): void {
  let nowMs = START_MS + 59_000;
  pollsMs = [];
  while (from.size > 0) {
    nowMs += 1;
    const startMs = threadCpuMs();
    const count = from.poll(nowMs);
    for (let i = 0; i < count; i++) from.remove(from.expiredSlotOf(from.due[i]!));
    pollsMs.push(threadCpuMs() - startMs);
  }
}

/** The longest is often another process's turn on a busy machine; the percentile is not. */
function describe(durationsMs: number[]): string {
  const sorted = durationsMs.sort((a, b) => a - b);
  const p99 = sorted[Math.floor(sorted.length * 0.99)]!;
  return `p99 ${p99.toFixed(3)} ms, longest ${sorted.at(-1)!.toFixed(2)} ms`;
}

function shuffled(count: number, seed: number): Uint32Array {
  const numbers = new Uint32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  let random = seed;
  for (let i = count - 1; i > 0; i--) {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    const j = random % (i + 1);
    [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
  }
  return numbers;
}
