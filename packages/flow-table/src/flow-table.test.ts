/** The ten promises of DESIGN.md section 3, each test named after what it promises. */
import { FlowStatus } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { FlowTable } from './flow-table.ts';
import { NONE } from './none.ts';
import type { FlowTableOptions } from './options.ts';
import { CAPACITY_MAX } from './options.ts';
import { findBoth, flowOf, outboundKey, put, START_MS } from './testing.ts';
import { INBOUND, OUTBOUND } from './traffic.ts';

const { Active, Expired, Cancelled, Detached } = FlowStatus;
const DUE_MS = START_MS + 60_000;

function newTable(options: Partial<FlowTableOptions> = {}): FlowTable {
  return new FlowTable({ capacityMax: 1_000, seed: 7, nowMs: START_MS, ...options });
}

function polled(table: FlowTable, nowMs: number): number[] {
  return [...table.due.subarray(0, table.poll(nowMs))];
}

describe('a row', () => {
  test('is found by both keys and by nothing else', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    expect(findBoth(table, flowOf(1), START_MS)).toBe(slot);
    expect(findBoth(table, flowOf(2), START_MS)).toBe(NONE);
    expect(findBoth(table, flowOf(1, { domain: 1, outsidePort: 9 }), START_MS)).toBe(NONE);
    expect(table.status(handle)).toBe(Active);
    expect(table.handleOf(slot)).toBe(handle);
    expect(table.slotOf(handle)).toBe(slot);
  });

  test('keeps every field to its last bit', () => {
    const table = newTable();
    const flow = flowOf(0xffff_fffe, {
      domain: 0xfffffe,
      protocol: 255,
      insideAddress: 0xffff_ffff,
      insidePort: 65_535,
      remoteAddress: 0xffff_fffe,
      remotePort: 65_534,
      outsideAddress: 0xffff_fffd,
      outsidePort: 65_533,
      generation: Number.MAX_SAFE_INTEGER,
      nonce: 0xffff_ffff,
      flags: 63,
      seenMs: 1.5,
      rstMs: 2.5,
      deadlineMs: Number.POSITIVE_INFINITY,
      confirmedMs: 3.5,
      touchDueMs: 4.5,
      marks: 65_535,
    });
    expect(table.flowAt(put(table, flow).slot)).toEqual(flow);
    expect(findBoth(table, flow, START_MS)).not.toBe(NONE);
  });

  test('counts its packets and bytes, and starts at 0 in a slot used before', () => {
    const table = newTable();
    const first = put(table, flowOf(1)).slot;
    table.count(first, OUTBOUND, 1_500);
    table.count(first, OUTBOUND, 40);
    table.count(first, INBOUND, 64);
    expect(table.traffic.packets(first, OUTBOUND)).toBe(2);
    expect(table.traffic.bytes(first, OUTBOUND)).toBe(1_540);
    expect(table.traffic.packets(first, INBOUND)).toBe(1);
    expect(table.traffic.bytes(first, INBOUND)).toBe(64);
    table.remove(first);
    const second = put(table, flowOf(2)).slot;
    expect(second).toBe(first);
    expect(table.traffic.packets(second, OUTBOUND)).toBe(0);
    expect(table.traffic.bytes(second, INBOUND)).toBe(0);
  });

  test('goes on counting when the same identity is put again, and not for another', () => {
    const table = newTable();
    table.count(put(table, flowOf(1)).slot, OUTBOUND, 100);
    const again = put(table, flowOf(1)).slot;
    expect(table.traffic.bytes(again, OUTBOUND)).toBe(100);
    const other = put(table, flowOf(1, { nonce: 4_711 })).slot;
    expect(table.traffic.bytes(other, OUTBOUND)).toBe(0);
  });

  test('refuses a domain of the outside and a deadline that is none', () => {
    const table = newTable();
    expect(() => table.put(flowOf(1, { domain: 0xffffff }), START_MS)).toThrow(RangeError);
    expect(() => table.put(flowOf(1, { deadlineMs: Number.NaN }), START_MS)).toThrow(RangeError);
    expect(table.size).toBe(0);
  });
});

describe('1: a timer that finds its deadline extended sleeps again', () => {
  test('and never expires a flow early', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    for (let extension = 1; extension <= 100; extension++) {
      const dueMs = DUE_MS + (extension - 1) * 1_000;
      expect(table.extend(slot, dueMs + 1_000)).toBe(true);
      expect(polled(table, dueMs)).toEqual([]);
      expect(table.status(handle, dueMs)).toBe(Active);
    }
    expect(polled(table, DUE_MS + 99_999)).toEqual([]);
    expect(polled(table, DUE_MS + 100_000)).toEqual([handle]);
    expect(table.status(handle)).toBe(Expired);
  });

  test('and a poll looks at a bounded number of such timers, the next one at more', () => {
    const table = newTable({ dueMax: 1_000 });
    for (let n = 0; n < 1_000; n++) table.extend(put(table, flowOf(n)).slot, DUE_MS + 1_000);
    for (let polls = 1; table.nextDueMs() <= DUE_MS; polls++) {
      expect(table.poll(DUE_MS, 10)).toBe(0);
      expect(table.counters.timerSteps).toBeLessThanOrEqual(polls * 80);
    }
    expect(table.poll(DUE_MS + 1_000)).toBe(1_000);
  });

  test('and a deadline that comes closer fires at the new one', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    table.extend(slot, DUE_MS + 5_000_000);
    table.extend(slot, START_MS + 10);
    expect(polled(table, START_MS + 9)).toEqual([]);
    expect(polled(table, START_MS + 10)).toEqual([handle]);
  });

  test('and nothing returns to Active: an Expired row cannot be extended', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    polled(table, DUE_MS);
    expect(table.extend(slot, DUE_MS + 1_000)).toBe(false);
    expect(table.status(handle, DUE_MS)).toBe(Expired);
    const again = put(table, { ...table.flowAt(slot), deadlineMs: DUE_MS + 1_000 }, DUE_MS);
    expect(again.kind).toBe('replaced');
    expect(table.status(again.handle, DUE_MS)).toBe(Active);
    expect(table.status(handle, DUE_MS)).toBe(Detached);
    expect(table.extend(NONE, DUE_MS)).toBe(false);
  });
});

describe('2: a flow has one timer', () => {
  test('putting the same flow again never makes a second one', () => {
    const table = newTable();
    const handles = Array.from({ length: 10 }, () => put(table, flowOf(1)).handle);
    expect(table.size).toBe(1);
    expect(polled(table, DUE_MS)).toEqual([handles.at(-1)]);
    expect(polled(table, DUE_MS + 1_000_000)).toEqual([]);
  });

  test('replacing gives the new flow its own and silences the old one at once', () => {
    const table = newTable();
    const old = put(table, flowOf(1));
    const replacing = put(table, flowOf(1, { nonce: 2, deadlineMs: DUE_MS + 1_000 }));
    expect(replacing.kind).toBe('replaced');
    expect(table.status(old.handle)).toBe(Detached);
    expect(polled(table, DUE_MS)).toEqual([]);
    expect(polled(table, DUE_MS + 1_000)).toEqual([replacing.handle]);
  });

  test('replacing in the very tick in which the old timer is due', () => {
    const table = newTable();
    const old = [1, 2].map((n) => put(table, flowOf(n)));
    // One of the two is told, the other still waits in the bucket that is being looked through.
    expect(table.poll(DUE_MS, 1)).toBe(1);
    const replacing = [1, 2].map((n) => put(table, flowOf(n, { deadlineMs: DUE_MS + 1 }), DUE_MS));
    for (const { handle } of old) expect(table.status(handle, DUE_MS)).toBe(Detached);
    expect(polled(table, DUE_MS)).toEqual([]);
    expect(table.activeSize).toBe(2);
    expect(new Set(polled(table, DUE_MS + 1))).toEqual(
      new Set(replacing.map(({ handle }) => handle)),
    );
  });

  test('a row that collides on the other key is detached too', () => {
    const table = newTable();
    const sameInside = put(table, flowOf(1));
    const sameOutside = put(table, flowOf(2));
    const { outsideAddress, outsidePort } = flowOf(2);
    const both = put(table, flowOf(1, { outsideAddress, outsidePort }));
    expect(both.kind).toBe('replaced');
    expect(table.size).toBe(1);
    expect(table.status(sameInside.handle)).toBe(Detached);
    expect(table.status(sameOutside.handle)).toBe(Detached);
    expect(table.find(...outboundKey(flowOf(2)), START_MS)).toBe(NONE);
    expect(polled(table, DUE_MS)).toEqual([both.handle]);
  });
});

describe('3: what leaves the table frees its slot and its timer now', () => {
  test.each(['remove', 'cancel', 'replace'] as const)('%s', (how) => {
    const table = newTable({ capacityMax: 1 });
    const old = put(table, flowOf(1));
    if (how === 'remove') table.remove(old.slot);
    else if (how === 'cancel') table.cancel(old.slot);
    const next = put(table, how === 'replace' ? flowOf(1) : flowOf(2));
    expect(next.slot).toBe(old.slot);
    table.remove(next.slot);
    expect(table.nextDueMs()).toBe(Number.POSITIVE_INFINITY);
    expect(polled(table, DUE_MS)).toEqual([]);
    expect(table.remove(next.slot)).toBe(false);
    expect(table.size).toBe(0);
  });

  test('a late timer never turns Cancelled into Expired', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    expect(table.cancel(slot)).toBe(true);
    polled(table, DUE_MS);
    expect(findBoth(table, flowOf(1), DUE_MS)).toBe(NONE);
    expect(table.status(handle, DUE_MS)).toBe(Cancelled);
    put(table, flowOf(2));
    expect(table.status(handle, DUE_MS)).toBe(Detached);
  });

  test('cancelling an Expired row removes it', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    polled(table, DUE_MS);
    expect(table.cancel(slot)).toBe(true);
    expect(table.status(handle)).toBe(Detached);
    expect(table.counters).toMatchObject({ cancelled: 0, removed: 1, expired: 1 });
  });
});

describe('4: a handle to a removed flow is safe', () => {
  test('and answers Detached, whoever uses its slot now', () => {
    const table = newTable({ capacityMax: 1 });
    const handles = Array.from({ length: 100 }, (_, n) => {
      const { slot, handle } = put(table, flowOf(n));
      expect(slot).toBe(1);
      if (n < 99) table.remove(slot);
      return handle;
    });
    expect(new Set(handles).size).toBe(100);
    for (const handle of handles.slice(0, -1)) {
      expect(table.status(handle)).toBe(Detached);
      expect(table.slotOf(handle)).toBe(NONE);
      expect(table.expiredSlotOf(handle)).toBe(NONE);
    }
    expect(table.status(handles.at(-1)!)).toBe(Active);
    expect(table.status(0)).toBe(Detached);
  });

  test('a slot whose incarnations are used up is retired, not used under an old name', () => {
    const table = newTable({ capacityMax: 2, incarnationsMax: 3 });
    const handles = new Set<number>();
    for (let n = 0; n < 6; n++) {
      const { slot, handle } = put(table, flowOf(n));
      handles.add(handle);
      table.remove(slot);
    }
    expect(handles.size).toBe(6);
    expect(table.retiredSlots).toBe(2);
    expect(table.put(flowOf(7), START_MS).kind).toBe('full');
  });

  test('a replacement that would need a retired slot is refused and changes nothing', () => {
    const table = newTable({ capacityMax: 1, incarnationsMax: 2 });
    put(table, flowOf(1));
    const { slot } = put(table, flowOf(1));
    expect(table.put(flowOf(1), START_MS).kind).toBe('full');
    expect(findBoth(table, flowOf(1), START_MS)).toBe(slot);
  });
});

describe('5: lookup never returns a flow past its deadline', () => {
  test('even when its timer is late, and the next poll hands it out, once', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    expect(findBoth(table, flowOf(1), DUE_MS - 0.001)).toBe(slot);
    expect(findBoth(table, flowOf(1), DUE_MS)).toBe(NONE);
    expect(table.status(handle)).toBe(Expired);
    expect(table.nextDueMs()).toBeLessThanOrEqual(DUE_MS);
    expect(polled(table, DUE_MS)).toEqual([handle]);
    expect(polled(table, DUE_MS + 1_000)).toEqual([]);
    expect(table.counters.expired).toBe(1);
  });

  test('not even when the clock goes backward afterwards', () => {
    const table = newTable();
    const { handle } = put(table, flowOf(1));
    polled(table, DUE_MS);
    expect(findBoth(table, flowOf(1), START_MS)).toBe(NONE);
    expect(table.status(handle, START_MS)).toBe(Expired);
  });

  test('and never removes a flow that replaced the one it looked at', () => {
    const table = newTable();
    const old = put(table, flowOf(1));
    expect(findBoth(table, flowOf(1), DUE_MS)).toBe(NONE);
    const replacing = put(table, flowOf(1, { deadlineMs: DUE_MS + 5_000 }), DUE_MS);
    expect(findBoth(table, flowOf(1), DUE_MS)).toBe(replacing.slot);
    expect(polled(table, DUE_MS)).toEqual([]);
    expect(table.remove(table.expiredSlotOf(old.handle))).toBe(false);
    expect(findBoth(table, flowOf(1), DUE_MS)).toBe(replacing.slot);
  });

  test('an Expired row can be read by its handle until it is removed', () => {
    const table = newTable();
    const { slot, handle } = put(table, flowOf(1));
    expect(table.expiredSlotOf(handle)).toBe(NONE);
    polled(table, DUE_MS);
    expect(table.slotOf(handle)).toBe(NONE);
    expect(table.expiredSlotOf(handle)).toBe(slot);
    expect(table.flowAt(slot)).toMatchObject({ nonce: 1, insidePort: 1 });
    table.remove(slot);
    expect(table.expiredSlotOf(handle)).toBe(NONE);
  });
});

describe('6: sizes', () => {
  test('size is what is stored, activeSize counts Active rows', () => {
    const table = newTable();
    const slots = [1, 2, 3, 4].map((n) => put(table, flowOf(n)).slot);
    expect([table.size, table.activeSize]).toEqual([4, 4]);
    table.remove(slots[0]!);
    table.cancel(slots[1]!);
    expect([table.size, table.activeSize]).toEqual([2, 2]);
    expect(findBoth(table, flowOf(3), DUE_MS)).toBe(NONE);
    expect([table.size, table.activeSize]).toEqual([2, 1]);
    polled(table, DUE_MS);
    expect([table.size, table.activeSize]).toEqual([2, 0]);
    table.remove(slots[2]!);
    put(table, flowOf(4), DUE_MS);
    expect([table.size, table.activeSize]).toEqual([1, 1]);
  });
});

describe('7: over the high-water mark stale rows are purged', () => {
  const filled = (options: Partial<FlowTableOptions>, rows: number): FlowTable => {
    const table = newTable(options);
    for (let n = 0; n < rows; n++) put(table, flowOf(n));
    return table;
  };

  test('in bounded steps, down to the low mark, and not below it', () => {
    const table = filled({ highWaterMax: 800 }, 801);
    expect(table.purge(START_MS, 1_000)).toBe(0);
    expect(table.purge(DUE_MS, 10)).toBe(10);
    expect(table.size).toBe(791);
    expect(table.purge(DUE_MS, 1_000)).toBe(91);
    expect(table.size).toBe(table.lowWater);
    expect(table.purge(DUE_MS, 1_000)).toBe(0);
    expect(table.counters).toMatchObject({ purged: 101, expired: 101, highWaterCrossings: 1 });
  });

  test('counting a crossing once, and again only after the low mark', () => {
    const table = filled({ highWaterMax: 80 }, 200);
    expect(table.counters.highWaterCrossings).toBe(1);
    for (let slot = 200; slot > 71; slot--) table.remove(slot);
    for (let n = 300; n < 330; n++) put(table, flowOf(n));
    expect(table.counters.highWaterCrossings).toBe(1);
    for (let slot = table.nextSlot(0); table.size > 70; slot = table.nextSlot(slot)) {
      table.remove(slot);
    }
    for (let n = 400; n < 420; n++) put(table, flowOf(n));
    expect(table.counters.highWaterCrossings).toBe(2);
  });

  test('by puts alone when nobody polls, a few at each', () => {
    const table = filled({ highWaterMax: 100 }, 200);
    for (let n = 200; n < 400; n++) {
      const before = table.size;
      put(table, flowOf(n, { deadlineMs: DUE_MS + 90_000 }), DUE_MS);
      expect(before - table.size).toBeLessThanOrEqual(1);
    }
    expect(table.counters.purged).toBe(200);
    expect(table.size).toBe(200);
  });

  test('puts leave to the poll what it has not told yet', () => {
    const table = filled({ highWaterMax: 100 }, 200);
    table.poll(DUE_MS - 1);
    put(table, flowOf(500, { deadlineMs: DUE_MS + 5_000 }), DUE_MS);
    expect(table.counters.purged).toBe(0);
    expect(polled(table, DUE_MS).length).toBe(200);
    put(table, flowOf(501, { deadlineMs: DUE_MS + 5_000 }), DUE_MS);
    expect(table.counters.purged).toBe(2);
  });

  test('without ever scanning a table full of Active flows', () => {
    const table = filled({ highWaterMax: 100 }, 200);
    for (let n = 200; n < 900; n++) {
      put(table, flowOf(n));
      expect(table.purge(START_MS, 1_000_000)).toBe(0);
    }
    expect(table.counters).toMatchObject({ timerSteps: 0, purged: 0 });
  });
});

describe('8: capacity is a hard limit', () => {
  const full = (): FlowTable => {
    const table = newTable({ capacityMax: 128 });
    for (let n = 0; n < 128; n++) put(table, flowOf(n));
    return table;
  };

  test('with an outcome and a counter of its own', () => {
    const table = full();
    expect(table.put(flowOf(500), START_MS)).toEqual({ kind: 'full' });
    expect(table.counters.fullRefusals).toBe(1);
    expect(findBoth(table, flowOf(500), START_MS)).toBe(NONE);
    expect(table.size).toBe(128);
  });

  test('a flow that may use the reserve has a 64th more, then is refused too', () => {
    const table = full();
    expect(table.reserve).toBe(2);
    const kinds = [500, 501, 502].map((n) => table.put(flowOf(n), START_MS, true).kind);
    expect(kinds).toEqual(['inserted', 'inserted', 'full']);
    table.remove(1);
    expect(table.put(flowOf(503), START_MS).kind).toBe('full');
  });

  test('replacing is no growth', () => {
    const table = full();
    expect(table.put(flowOf(1), START_MS).kind).toBe('replaced');
    expect(table.size).toBe(128);
  });

  test('stale rows make room before anybody is refused', () => {
    const table = full();
    expect(table.put(flowOf(500), DUE_MS).kind).toBe('inserted');
    expect(table.counters.purged).toBeGreaterThan(0);
  });

  test('is checked when the table is made', () => {
    for (const capacityMax of [0, -1, 1.5, CAPACITY_MAX + 1]) {
      expect(() => newTable({ capacityMax })).toThrow(RangeError);
    }
  });
});

describe('iteration', () => {
  test('is safe while rows come and go: none twice, none missed that stays', () => {
    const table = newTable();
    for (let n = 0; n < 100; n++) put(table, flowOf(n));
    const seen: number[] = [];
    table.forEach((slot) => {
      seen.push(table.nonce(slot));
      if (slot % 3 === 0) table.remove(slot);
      if (slot % 5 === 0 && table.size < 200) put(table, flowOf(1_000 + slot));
    });
    expect(new Set(seen).size).toBe(seen.length);
    for (let n = 0; n < 100; n++) expect(seen).toContain(n);
  });
});
