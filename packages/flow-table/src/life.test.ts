/** "The life of a row" in the README, each of its sentences. */
import { readFileSync } from 'node:fs';
import { FlowStatus } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { FlowTable } from './flow-table.ts';
import { NONE } from './none.ts';
import { findBoth, flowOf, put, START_MS } from './testing.ts';

const { Active, Expired, Cancelled, Detached } = FlowStatus;
const DUE_MS = START_MS + 60_000;
const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** One flow, put into slot 1, and what happens to it. */
class Life {
  readonly table = new FlowTable({
    capacityMax: 64,
    seed: 7,
    nowMs: START_MS,
    highWaterMax: 2,
  });
  readonly handle = put(this.table, flowOf(1)).handle;
  nowMs = START_MS;

  expire(): void {
    this.nowMs = DUE_MS;
    this.table.poll(DUE_MS);
  }

  fill(): void {
    for (let n = 2; n <= 4; n++) put(this.table, flowOf(n, { deadlineMs: DUE_MS * 2 }));
  }

  get status(): FlowStatus {
    return this.table.status(this.handle, this.nowMs);
  }

  /** Told by a poll at this very time, of how many. */
  get told(): number {
    return this.table.poll(this.nowMs);
  }

  get isStored(): boolean {
    return this.table.isStored(1);
  }

  /** Whether the next flow would get its slot. */
  get isFree(): boolean {
    return put(this.table, flowOf(50, { deadlineMs: DUE_MS * 2 }), this.nowMs).slot === 1;
  }
}

type Row = [event: string, happens: (life: Life) => void, marks: FlowStatus, takenOut: boolean];

const ROWS: Row[] = [
  ['`put`', () => {}, Active, false],
  ['`put` that holds one of its keys', (life) => void putOther(life), Detached, true],
  ['deadline passed: `poll` gets to it', (life) => life.expire(), Expired, false],
  [
    'deadline passed: `find` or `status` gets there first',
    (life) => {
      life.nowMs = DUE_MS;
      expect(findBoth(life.table, flowOf(1), DUE_MS)).toBe(NONE);
    },
    Expired,
    false,
  ],
  ['`remove`', (life) => life.table.remove(1), Detached, true],
  ['`cancel` of an Active row', (life) => life.table.cancel(1), Cancelled, true],
  [
    '`cancel` of an Expired row',
    (life) => {
      life.expire();
      life.table.cancel(1);
    },
    Detached,
    true,
  ],
  [
    '`purge`, or a put over the high-water mark or at capacity',
    (life) => {
      life.fill();
      life.expire();
      expect(life.table.purge(DUE_MS, 1)).toBe(1);
    },
    Detached,
    true,
  ],
];

/** Another flow that takes slot 1's inside key, and a slot of its own while it does. */
function putOther(life: Life): void {
  put(life.table, flowOf(1, { outsidePort: 9 }));
  // The new flow was given the freed slot at once: it goes, to see that it may be given again.
  expect(life.status).toBe(Detached);
  expect(life.table.size).toBe(1);
  life.table.remove(1);
}

describe('the life of a row', () => {
  const table = README.split('\n').filter((line) => line.startsWith('| '));

  test('the README tells of these events and no others', () => {
    const events = table.map((line) => line.split(' | ')[0]!.slice(2));
    const first = events.indexOf('event');
    expect(events.slice(first + 1, first + 1 + ROWS.length + 1)).toEqual([
      '---',
      ...ROWS.map(([event]) => event),
    ]);
  });

  test.each(ROWS)('%s', (event, happens, marks, takenOut) => {
    const life = new Life();
    happens(life);
    expect(life.status).toBe(marks);
    expect(life.isStored).toBe(!takenOut);
    expect(life.isFree).toBe(takenOut);
    // Cancelled is Detached once the slot is used again.
    if (takenOut) expect(life.status).toBe(Detached);
    const line = table.find((text) => text.startsWith(`| ${event} |`))!;
    const [, mark = '', out = '', frees = ''] = line.split(' | ');
    expect(mark).toContain(Object.keys(FlowStatus)[marks]!);
    expect([out.startsWith('yes'), frees.startsWith('at once')]).toEqual([takenOut, takenOut]);
  });

  test('a poll tells of what it marks, the next one of what a lookup marked, each once', () => {
    const polled = new Life();
    polled.nowMs = DUE_MS;
    expect([polled.told, polled.told]).toEqual([1, 0]);
    const found = new Life();
    found.nowMs = DUE_MS;
    expect(findBoth(found.table, flowOf(1), DUE_MS)).toBe(NONE);
    expect([found.told, found.told]).toEqual([1, 0]);
  });

  test('only stale rows are purged, by purge and by a put over the mark or at capacity', () => {
    const active = new Life();
    active.fill();
    expect(active.table.purge(START_MS, 100)).toBe(0);
    const over = new Life();
    over.fill();
    over.expire();
    put(over.table, flowOf(60, { deadlineMs: DUE_MS * 2 }), DUE_MS);
    expect(over.status).toBe(Detached);
    const full = new FlowTable({ capacityMax: 1, seed: 7, nowMs: START_MS });
    const { handle } = put(full, flowOf(1));
    expect(full.put(flowOf(2), START_MS).kind).toBe('full');
    expect(put(full, flowOf(2), DUE_MS).slot).toBe(1);
    expect(full.status(handle)).toBe(Detached);
  });

  test('an Expired row keeps its keys and is read by its handle until it is taken out', () => {
    const life = new Life();
    life.expire();
    expect(life.table.expiredSlotOf(life.handle)).toBe(1);
    expect(life.table.flowAt(1).nonce).toBe(1);
    expect(findBoth(life.table, flowOf(1), DUE_MS)).toBe(NONE);
    expect(put(life.table, flowOf(1), DUE_MS).kind).toBe('replaced');
    expect(life.status).toBe(Detached);
    expect(life.table.expiredSlotOf(life.handle)).toBe(NONE);
  });
});
