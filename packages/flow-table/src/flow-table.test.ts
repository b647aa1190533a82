import { FlowStatus } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { FlowTable, type FlowTableOptions } from './flow-table.ts';
import { NONE } from './none.ts';
import { findBoth, flowOf, START_MS } from './testing.ts';

function newTable(options: Partial<FlowTableOptions> = {}): FlowTable {
  return new FlowTable({ capacityMax: 1_000, seed: 7, nowMs: START_MS, ...options });
}

describe('a row', () => {
  test('is found by both keys', () => {
    const table = newTable();
    const result = table.put(flowOf(1), START_MS);
    if (result.kind === 'full') throw new Error('full');
    expect(findBoth(table, flowOf(1), START_MS)).toBe(result.slot);
    expect(findBoth(table, flowOf(2), START_MS)).toBe(NONE);
    expect(table.status(result.handle)).toBe(FlowStatus.Active);
    expect(table.flowAt(result.slot)).toEqual({
      ...flowOf(1),
      confirmedMs: 0,
      touchDueMs: 0,
      marks: 0,
    });
  });
});
