/**
 * The table against an obvious slow one: a list of rows that is scanned for everything. Random
 * sequences of operations, on a virtual clock of whole ms; fast-check prints seed and path.
 *
 * Where the table may choose (which rows a bounded poll hands out or a purge frees first), the
 * model checks that the choice is allowed and adopts it.
 */
import { FlowStatus } from '@flowstore/flow';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FlowInput } from './flow-input.ts';
import { FlowTable } from './flow-table.ts';
import { type Handle, slotOfHandle } from './handle.ts';
import { NONE } from './none.ts';
import { findBoth, flowOf, inboundKey, outboundKey, START_MS } from './testing.ts';

const { Active, Expired, Cancelled, Detached } = FlowStatus;
const ENDPOINTS = 14;
const CAPACITY = 10;

interface ModelRow {
  readonly handle: Handle;
  readonly flow: FlowInput;
  status: FlowStatus;
  deadlineMs: number;
  isTold: boolean;
}

class Model {
  /** Every row that ever was, by handle. */
  readonly rows = new Map<Handle, ModelRow>();
  /** The last handle given out for each slot. */
  readonly lastOfSlot = new Map<number, Handle>();

  stored(): ModelRow[] {
    return [...this.rows.values()].filter(({ status }) => status === Active || status === Expired);
  }

  active(): ModelRow[] {
    return this.stored().filter(({ status }) => status === Active);
  }

  holders(flow: FlowInput): ModelRow[] {
    const keys = [outboundKey(flow).join(), inboundKey(flow).join()];
    return this.stored().filter(
      (row) =>
        keys.includes(outboundKey(row.flow).join()) || keys.includes(inboundKey(row.flow).join()),
    );
  }

  add(handle: Handle, flow: FlowInput): void {
    expect(this.rows.has(handle)).toBe(false);
    const { deadlineMs } = flow;
    this.rows.set(handle, { handle, flow, status: Active, deadlineMs, isTold: false });
    this.lastOfSlot.set(slotOfHandle(handle), handle);
  }

  statusOf(row: ModelRow): FlowStatus {
    const isLast = this.lastOfSlot.get(slotOfHandle(row.handle)) === row.handle;
    return row.status === Cancelled && !isLast ? Detached : row.status;
  }
}

class Pair {
  readonly table: FlowTable;
  readonly model = new Model();
  nowMs = START_MS;

  constructor(seed: number, highWaterMax: number) {
    this.table = new FlowTable({ capacityMax: CAPACITY, seed, nowMs: START_MS, highWaterMax });
  }

  /** What the table purged is gone from the model too; only stale rows may be. */
  adoptPurged(): number {
    let adopted = 0;
    for (const row of this.model.stored()) {
      if (this.table.slotOf(row.handle) !== NONE) continue;
      if (this.table.expiredSlotOf(row.handle) !== NONE) continue;
      expect(row.status === Expired || row.deadlineMs <= this.nowMs).toBe(true);
      row.status = Detached;
      adopted++;
    }
    return adopted;
  }

  put(inside: number, outside: number, afterMs: number, mayUseReserve: boolean): void {
    const { outsideAddress, outsidePort } = flowOf(outside);
    const deadlineMs = this.nowMs + afterMs;
    const flow = flowOf(inside, { outsideAddress, outsidePort, deadlineMs });
    const before = this.model.holders(flow);
    const purgedBefore = this.table.counters.purged;
    const result = this.table.put(flow, this.nowMs, mayUseReserve);
    const purged = this.table.counters.purged - purgedBefore;
    if (result.kind === 'full') {
      expect(this.adoptPurged()).toBe(purged);
      expect(before).toEqual([]);
      const capacity = CAPACITY + (mayUseReserve ? this.table.reserve : 0);
      expect(this.model.stored().length).toBeGreaterThanOrEqual(capacity);
      expect(this.model.active().every((row) => row.deadlineMs > this.nowMs)).toBe(true);
      return;
    }
    // A stale row that held a key may have been purged before it could be replaced.
    const replacedOrPurged = this.model.holders(flow);
    for (const row of replacedOrPurged) row.status = Detached;
    const purgedHolders = purged - this.adoptPurged();
    expect(purgedHolders).toBeGreaterThanOrEqual(0);
    const replaced = replacedOrPurged.length - purgedHolders;
    expect(result.kind).toBe(replaced > 0 ? 'replaced' : 'inserted');
    this.model.add(result.handle, flow);
  }

  find(inside: number, outside: number): void {
    const byInside = this.lookUp(flowOf(inside), outboundKey);
    expect(this.table.find(...outboundKey(flowOf(inside)), this.nowMs)).toBe(byInside);
    const byOutside = this.lookUp(flowOf(outside), inboundKey);
    expect(this.table.find(...inboundKey(flowOf(outside)), this.nowMs)).toBe(byOutside);
  }

  lookUp(flow: FlowInput, keyOf: typeof outboundKey): number {
    const key = keyOf(flow).join();
    const row = this.model.stored().find((candidate) => keyOf(candidate.flow).join() === key);
    if (row === undefined) return NONE;
    if (row.deadlineMs <= this.nowMs) row.status = Expired;
    return row.status === Active ? slotOfHandle(row.handle) : NONE;
  }

  change(choice: number, what: 'extend' | 'remove' | 'cancel', afterMs: number): void {
    const row = this.pick(this.model.stored(), choice);
    if (row === undefined) return;
    const slot = slotOfHandle(row.handle);
    if (what === 'extend') {
      expect(this.table.extend(slot, this.nowMs + afterMs)).toBe(row.status === Active);
      if (row.status === Active) row.deadlineMs = this.nowMs + afterMs;
      return;
    }
    expect(this.table[what](slot)).toBe(true);
    row.status = what === 'cancel' && row.status === Active ? Cancelled : Detached;
  }

  poll(dueMax: number): void {
    const count = this.table.poll(this.nowMs, dueMax);
    expect(count).toBeLessThanOrEqual(dueMax);
    for (const handle of this.table.due.subarray(0, count)) {
      const row = this.model.rows.get(handle)!;
      expect(row.isTold).toBe(false);
      expect(row.status === Expired || row.deadlineMs <= this.nowMs).toBe(true);
      expect(row.status === Active || row.status === Expired).toBe(true);
      expect(this.table.expiredSlotOf(handle)).toBe(slotOfHandle(handle));
      row.status = Expired;
      row.isTold = true;
    }
    const isWaiting = (row: ModelRow) =>
      row.status === Expired ? !row.isTold : row.deadlineMs <= this.nowMs;
    if (this.model.stored().some(isWaiting)) {
      expect(this.table.nextDueMs()).toBeLessThanOrEqual(this.nowMs);
      if (dueMax >= 2 * CAPACITY) throw new Error('a poll that had room left rows untold');
    }
    const earliestMs = Math.min(...this.model.active().map((row) => row.deadlineMs));
    expect(this.table.nextDueMs()).toBeLessThanOrEqual(Math.max(this.nowMs, earliestMs));
  }

  purge(stepsMax: number): void {
    const before = this.table.counters.purged;
    const freed = this.table.purge(this.nowMs, stepsMax);
    expect(freed).toBeLessThanOrEqual(stepsMax);
    expect(this.table.counters.purged - before).toBe(freed);
    expect(this.adoptPurged()).toBe(freed);
  }

  status(choice: number): void {
    const row = this.pick([...this.model.rows.values()], choice);
    if (row === undefined) return;
    if (row.status === Active && row.deadlineMs <= this.nowMs) row.status = Expired;
    expect(this.table.status(row.handle, this.nowMs)).toBe(this.model.statusOf(row));
  }

  pick(rows: ModelRow[], choice: number): ModelRow | undefined {
    return rows[choice % Math.max(1, rows.length)];
  }

  checkSizes(): void {
    expect(this.table.size).toBe(this.model.stored().length);
    expect(this.table.activeSize).toBe(this.model.active().length);
  }

  checkAll(): void {
    const slots: number[] = [];
    this.table.forEach((slot) => {
      slots.push(slot);
    });
    const stored = this.model.stored().map(({ handle }) => slotOfHandle(handle));
    expect(slots).toEqual(stored.sort((a, b) => a - b));
    for (const row of this.model.stored()) {
      const { deadlineMs: _, ...fields } = row.flow;
      expect(this.table.flowAt(slotOfHandle(row.handle))).toMatchObject(fields);
    }
    for (let n = 0; n < ENDPOINTS; n++) this.find(n, n);
    for (let n = 0; n < this.model.rows.size; n++) this.status(n);
    this.checkSizes();
    // Left alone, everything comes due and is told exactly once.
    this.nowMs += 2 ** 40;
    this.poll(1_000);
    expect(this.model.stored().every(({ isTold }) => isTold)).toBe(true);
    for (const { handle } of this.model.stored()) expect(findBothOf(this, handle)).toBe(NONE);
  }
}

function findBothOf(pair: Pair, handle: Handle): number {
  return findBoth(pair.table, pair.model.rows.get(handle)!.flow, pair.nowMs);
}

const endpoint = fc.nat(ENDPOINTS - 1);
const spanMs = fc.oneof(
  fc.nat(3),
  fc.nat(100),
  fc.nat(40_000),
  fc.constantFrom(31, 32, 33, 1_024, 2 ** 25, 2 ** 30, 2 ** 30 + 7, 2 ** 33),
);
const operation: fc.Arbitrary<(pair: Pair) => void> = fc.oneof(
  fc.tuple(endpoint, fc.option(endpoint), spanMs, fc.boolean()).map(
    ([inside, outside, afterMs, mayUseReserve]) =>
      (pair: Pair) =>
        pair.put(inside, outside ?? inside, afterMs, mayUseReserve),
  ),
  fc.tuple(endpoint, endpoint).map(
    ([inside, outside]) =>
      (pair: Pair) =>
        pair.find(inside, outside),
  ),
  fc.tuple(fc.nat(), fc.constantFrom('extend', 'extend', 'remove', 'cancel'), spanMs).map(
    ([choice, what, afterMs]) =>
      (pair: Pair) =>
        pair.change(choice, what, afterMs),
  ),
  fc.oneof(fc.nat(3), fc.constant(1_000)).map((dueMax) => (pair: Pair) => pair.poll(dueMax)),
  spanMs.map((afterMs) => (pair: Pair) => {
    pair.nowMs += afterMs;
  }),
  fc.nat().map((choice) => (pair: Pair) => pair.status(choice)),
  fc.nat(5).map((stepsMax) => (pair: Pair) => pair.purge(stepsMax)),
);

test('the table does what a list that is scanned would do', () => {
  const run = fc.property(
    fc.nat(),
    fc.constantFrom(4, 1_000),
    fc.array(operation, { maxLength: 150, size: 'max' }),
    (seed, highWaterMax, operations) => {
      const pair = new Pair(seed, highWaterMax);
      for (const operate of operations) {
        operate(pair);
        pair.checkSizes();
      }
      pair.checkAll();
    },
  );
  fc.assert(run, { numRuns: 3_000 });
});
