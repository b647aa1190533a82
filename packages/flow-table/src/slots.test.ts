/** Incarnations at their real limit: what a handle means never comes round again. */
import { FlowStatus } from '@flowstore/flow';
import { expect, test } from 'vitest';
import {
  INCARNATIONS_MAX,
  incarnationOfHandle,
  makeHandle,
  SLOTS_MAX,
  slotOfHandle,
} from './handle.ts';
import { Lists } from './lists.ts';
import { NONE } from './none.ts';
import { LIFE, ROW_WORDS, Rows } from './rows.ts';
import { Slots } from './slots.ts';

test('a slot is used 2^29 - 1 times under as many names, and never again', () => {
  const rows = new Rows(2);
  const slots = new Slots(rows, new Lists(2, 1), 0, INCARNATIONS_MAX);
  const first = slots.handleOf(slots.take());
  slots.free(1, FlowStatus.Detached);
  // Years of use later: two incarnations are left.
  rows.words[ROW_WORDS + LIFE] = (INCARNATIONS_MAX - 2) << 2;
  const handles = [first];
  for (let use = 0; use < 2; use++) {
    expect(slots.hasRoom).toBe(true);
    expect(slots.take()).toBe(1);
    expect(slots.statusOf(1)).toBe(FlowStatus.Active);
    handles.push(slots.handleOf(1));
    expect(slots.slotOf(handles.at(-1)!)).toBe(1);
    for (const old of handles.slice(0, -1)) expect(slots.slotOf(old)).toBe(NONE);
    slots.free(1, FlowStatus.Cancelled);
  }
  expect(incarnationOfHandle(handles.at(-1)!)).toBe(INCARNATIONS_MAX);
  // The next one would have to be called like an earlier one: there is none.
  expect(slots.hasRoom).toBe(false);
  expect(slots.take()).toBe(NONE);
  expect(slots.retired).toBe(1);
  // The last use's status stays known.
  expect(slots.slotOf(handles.at(-1)!)).toBe(1);
  expect(slots.statusOf(1)).toBe(FlowStatus.Cancelled);
});

test('the largest handle is an exact integer, and comes apart again', () => {
  const handle = makeHandle(INCARNATIONS_MAX, SLOTS_MAX - 1);
  expect(Number.isSafeInteger(handle)).toBe(true);
  expect([incarnationOfHandle(handle), slotOfHandle(handle)]).toEqual([
    INCARNATIONS_MAX,
    SLOTS_MAX - 1,
  ]);
  // Its word in the row has a status beside it, and is no negative number.
  expect(((INCARNATIONS_MAX << 2) | 3) >>> 2).toBe(INCARNATIONS_MAX);
  expect((INCARNATIONS_MAX << 2) | 3).toBeGreaterThan(0);
});
