import { FlowStatus, parseAddress } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { dump } from './dump.ts';
import { FlowTable } from './flow-table.ts';
import { NONE } from './none.ts';
import { findBoth, flowOf, put, START_MS } from './testing.ts';
import { INBOUND, OUTBOUND } from './traffic.ts';
import { cancelMatching, type FlowFilter, type FlowRow, START, snapshot } from './visit.ts';

const DUE_MS = START_MS + 60_000;
const newTable = () => new FlowTable({ capacityMax: 1_000, seed: 5, nowMs: START_MS });
const ADDRESS6 = parseAddress('2001:db8::1');

function put6(table: FlowTable, n: number): number {
  const addresses = { insideAddress: ADDRESS6, remoteAddress: ADDRESS6, outsideAddress: ADDRESS6 };
  const result = table.put6({ ...flowOf(n), ...addresses }, START_MS);
  if (result.kind === 'full') throw new Error('full');
  return result.slot;
}

describe('cancelMatching', () => {
  /** 90 IPv4 flows: 3 domains, 5 inside and 2 outside addresses; and 10 IPv6 flows. */
  const filled = (): FlowTable => {
    const table = newTable();
    for (let n = 0; n < 90; n++) {
      const addresses = { insideAddress: 100 + (n % 5), outsideAddress: 200 + (n % 2) };
      put(table, flowOf(n, { domain: n % 3, ...addresses }));
    }
    for (let n = 100; n < 110; n++) put6(table, n);
    return table;
  };

  test.each([
    [{ domain: 1 }, 30],
    [{ insideAddress: 104 }, 18],
    [{ outsideAddress: 201 }, 45],
    [{ domain: 1, insideAddress: 104, outsideAddress: 201 }, 3],
    [{ insideAddress: ADDRESS6 }, 10],
    [{ outsideAddress: parseAddress('2001:db8::2') }, 0],
    [{ insideAddress: 104, outsideAddress: ADDRESS6 }, 0],
    [{}, 100],
  ] as [FlowFilter, number][])('%o', (filter, expected) => {
    const table = filled();
    const kept = [...Array(90).keys()].filter((n) => {
      const {
        domain = n % 3,
        insideAddress = 100 + (n % 5),
        outsideAddress = 200 + (n % 2),
      } = filter;
      return (
        domain !== n % 3 || insideAddress !== 100 + (n % 5) || outsideAddress !== 200 + (n % 2)
      );
    });
    let cancelled = 0;
    let calls = 0;
    for (let cursor = START; cursor !== NONE; calls++) {
      const step = cancelMatching(table, filter, cursor, 7);
      // Bounded: no call ends more flows than it has steps.
      expect(step.cancelled).toBeLessThanOrEqual(7);
      expect(step.removed).toBe(0);
      cancelled += step.cancelled;
      cursor = step.cursor;
    }
    expect(calls).toBe(Math.ceil(100 / 7));
    expect(cancelled).toBe(expected);
    expect(table.counters.cancelled).toBe(expected);
    const left = kept.filter((n) => {
      const addresses = { insideAddress: 100 + (n % 5), outsideAddress: 200 + (n % 2) };
      return findBoth(table, flowOf(n, { domain: n % 3, ...addresses }), START_MS) !== NONE;
    });
    expect(left).toEqual(kept);
  });

  test('removes Expired rows, and says how many', () => {
    const table = newTable();
    const { handle } = put(table, flowOf(1, { deadlineMs: START_MS + 1 }));
    put(table, flowOf(2));
    table.poll(START_MS + 1);
    const step = cancelMatching(table, { domain: 0 }, START, 100);
    expect(step).toEqual({ cancelled: 1, removed: 1, cursor: NONE });
    expect(table.status(handle)).toBe(FlowStatus.Detached);
    expect(table.size).toBe(0);
  });

  test('ends all that was there when it began, whatever comes and goes meanwhile', () => {
    const table = newTable();
    for (let n = 0; n < 200; n++) put(table, flowOf(n, { domain: n % 2 }));
    let put1 = 1_000;
    for (let cursor = START; cursor !== NONE; ) {
      cursor = cancelMatching(table, { domain: 1 }, cursor, 10).cursor;
      const stray = table.nextSlot(Math.max(0, cursor - 5));
      if (stray !== NONE && table.domain(stray) === 0) table.remove(stray);
      for (let i = 0; i < 3; i++) put(table, flowOf(put1++, { domain: 2 }));
    }
    let ones = 0;
    table.forEach((slot) => {
      if (table.domain(slot) === 1) ones++;
    });
    expect(ones).toBe(0);
    expect(table.counters.cancelled).toBe(100);
  });
});

describe('snapshot', () => {
  test('in steps: none twice, none missed that stays, while others come and go', () => {
    const table = newTable();
    for (let n = 0; n < 100; n++) put(table, flowOf(n));
    const rows: FlowRow[] = [];
    for (let cursor = START, turn = 0; cursor !== NONE; turn++) {
      const step = snapshot(table, cursor, 9);
      expect(step.rows.length).toBeLessThanOrEqual(9);
      rows.push(...step.rows);
      cursor = step.cursor;
      // One that was seen goes, one that was not goes, one comes in.
      table.remove(turn * 4 + 1);
      table.remove(100 - turn);
      put(table, flowOf(1_000 + turn));
    }
    const handles = rows.map(({ handle }) => handle);
    expect(new Set(handles).size).toBe(handles.length);
    const seen = new Set(rows.map(({ flow }) => flow.nonce));
    table.forEach((slot) => {
      if (table.nonce(slot) < 1_000) expect(seen.has(table.nonce(slot))).toBe(true);
    });
    expect(table.size).toBeGreaterThan(80);
  });

  test('copies rows with their status, and later changes do not reach the copy', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    const other = put6(table, 2);
    table.poll(DUE_MS);
    const { rows } = snapshot(table, START, 10);
    expect(rows.map((row) => row.slot)).toEqual([slot, other]);
    expect(rows[0]).toMatchObject({ handle, status: FlowStatus.Expired });
    table.setFlags(slot, 63);
    expect(rows[0]!.flow.flags).toBe(0);
    expect(rows[1]!.flow).toMatchObject({ insideAddress: ADDRESS6, nonce: 2 });
  });
});

describe('dump', () => {
  test('a line per flow with state, age and remaining time', () => {
    const table = newTable();
    put(table, flowOf(1, { seenMs: START_MS, deadlineMs: DUE_MS }));
    table.count(1, OUTBOUND, 1_500);
    table.count(1, INBOUND, 40);
    put(table, flowOf(2, { deadlineMs: START_MS + 100 }));
    put6(table, 3);
    table.extend(3, Number.POSITIVE_INFINITY);
    table.poll(START_MS + 1_500);
    const lines = dump(table, START_MS + 1_500).split('\n');
    expect(lines.map((line) => line.split(/ {2,}/).join(' | '))).toEqual([
      'slot | domain | proto | inside | outside | remote | state | age | remaining' +
        ' | packets out/in | bytes out/in',
      '1 | 0 | tcp | 198.18.0.0:1 | 203.0.113.0:1 | 198.51.100.20:443 | active | 1.5s | 58.5s' +
        ' | 1/1 | 1500/40',
      '2 | 0 | tcp | 198.18.0.0:2 | 203.0.113.0:2 | 198.51.100.20:443 | expired | 1.5s | -' +
        ' | 0/0 | 0/0',
      '3 | 0 | tcp | [2001:db8::1]:3 | [2001:db8::1]:3 | [2001:db8::1]:443 | active | 1.5s | ever' +
        ' | 0/0 | 0/0',
      '3 flows stored, 2 active, of 1000 at most',
    ]);
    // Columns line up.
    expect(lines[2]!.indexOf('expired')).toBe(lines[0]!.indexOf('state'));
  });

  test('says how many more there are', () => {
    const table = newTable();
    for (let n = 0; n < 30; n++) put(table, flowOf(n));
    const lines = dump(table, START_MS, 4).split('\n');
    expect(lines.length).toBe(1 + 4 + 2);
    expect(lines.at(-2)).toBe('... and 26 more');
    expect(lines.at(-1)).toBe('30 flows stored, 30 active, of 1000 at most');
  });

  test.each([
    [0, '0ms'],
    [999, '999ms'],
    [59_990, '59.9s'],
    [60_000, '1m00s'],
    [7_440_000, '2h04m'],
    [12 * 86_400_000 + 3 * 3_600_000, '12d03h'],
  ])('an age of %d ms is %s', (ageMs, text) => {
    const table = newTable();
    put(table, flowOf(1, { seenMs: START_MS - ageMs }));
    expect(dump(table, START_MS)).toContain(`active  ${text}`);
  });
});
