/**
 * Handles and statuses as a state machine: fast-check commands on a table and on a model that
 * remembers nothing but what the words say (DESIGN.md section 2). After each command every handle
 * ever given is asked what became of it.
 */
import { FlowStatus } from '@flowstore/flow';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FlowTable } from './flow-table.ts';
import { type Handle, slotOfHandle } from './handle.ts';
import { NONE } from './none.ts';
import { findBoth, flowOf, START_MS } from './testing.ts';

const { Active, Expired, Cancelled, Detached } = FlowStatus;
const FLOWS = 6;

interface Remembered {
  readonly n: number;
  status: FlowStatus;
  deadlineMs: number;
}

interface Model {
  /** By handle, all that were ever given. */
  readonly given: Map<Handle, Remembered>;
  /** The handle that a flow's keys lead to, Active or Expired. */
  readonly stored: Map<number, Handle>;
  nowMs: number;
}

type Command = fc.Command<Model, FlowTable>;

function isStored(model: Model, n: number): boolean {
  return model.stored.has(n);
}

/** A stored flow whose deadline passed is Expired, whoever looks first. */
function letTimePass(model: Model): void {
  for (const handle of model.stored.values()) {
    const row = model.given.get(handle)!;
    if (row.deadlineMs <= model.nowMs) row.status = Expired;
  }
}

function leave(model: Model, n: number, status: FlowStatus): void {
  model.given.get(model.stored.get(n)!)!.status = status;
  model.stored.delete(n);
}

function checkAll(model: Model, table: FlowTable): void {
  for (const [handle, { n, status }] of model.given) {
    const seen = table.status(handle, model.nowMs);
    // Cancelled is remembered until the slot is used again.
    const isReused = table.handleOf(slotOfHandle(handle)) !== handle;
    expect(seen).toBe(status === Cancelled && isReused ? Detached : status);
    expect(table.slotOf(handle)).toBe(seen === Active ? slotOfHandle(handle) : NONE);
    expect(table.expiredSlotOf(handle)).toBe(seen === Expired ? slotOfHandle(handle) : NONE);
    if (seen !== Active) continue;
    expect(findBoth(table, flowOf(n), model.nowMs)).toBe(slotOfHandle(handle));
  }
  expect(table.size).toBe(model.stored.size);
}

function command(
  name: string,
  check: (model: Model) => boolean,
  run: (model: Model, table: FlowTable) => void,
): Command {
  return {
    check,
    run(model, table) {
      run(model, table);
      letTimePass(model);
      checkAll(model, table);
    },
    toString: () => name,
  };
}

const put = (n: number, lifeMs: number): Command =>
  command(
    `put(${n}, ${lifeMs})`,
    () => true,
    (model, table) => {
      const deadlineMs = model.nowMs + lifeMs;
      const result = table.put(flowOf(n, { deadlineMs }), model.nowMs);
      if (result.kind === 'full') throw new Error('there is room for all');
      expect(result.kind).toBe(isStored(model, n) ? 'replaced' : 'inserted');
      if (isStored(model, n)) leave(model, n, Detached);
      expect(model.given.has(result.handle)).toBe(false);
      model.given.set(result.handle, { n, status: Active, deadlineMs });
      model.stored.set(n, result.handle);
    },
  );

const end = (n: number, how: 'remove' | 'cancel'): Command =>
  command(
    `${how}(${n})`,
    (model) => isStored(model, n),
    (model, table) => {
      const handle = model.stored.get(n)!;
      const wasActive = model.given.get(handle)!.status === Active;
      expect(table[how](slotOfHandle(handle))).toBe(true);
      leave(model, n, how === 'cancel' && wasActive ? Cancelled : Detached);
    },
  );

const extend = (n: number, lifeMs: number): Command =>
  command(
    `extend(${n}, ${lifeMs})`,
    (model) => isStored(model, n),
    (model, table) => {
      const handle = model.stored.get(n)!;
      const row = model.given.get(handle)!;
      const deadlineMs = model.nowMs + lifeMs;
      // Nothing returns to Active.
      expect(table.extend(slotOfHandle(handle), deadlineMs)).toBe(row.status === Active);
      if (row.status === Active) row.deadlineMs = deadlineMs;
    },
  );

const poll = (afterMs: number, dueMax: number): Command =>
  command(
    `poll(+${afterMs}, ${dueMax})`,
    () => true,
    (model, table) => {
      model.nowMs += afterMs;
      letTimePass(model);
      const count = table.poll(model.nowMs, dueMax);
      for (const handle of table.due.subarray(0, count)) {
        expect(model.given.get(handle)!.status).toBe(Expired);
      }
    },
  );

const wait = (afterMs: number): Command =>
  command(
    `wait(${afterMs})`,
    () => true,
    (model) => {
      model.nowMs += afterMs;
    },
  );

test('a handle says what became of its flow, for ever', () => {
  const n = fc.nat(FLOWS - 1);
  const lifeMs = fc.oneof(fc.nat(5), fc.nat(2_000), fc.constant(2 ** 31));
  const commands = fc.commands(
    [
      fc.tuple(n, lifeMs).map(([flow, life]) => put(flow, life)),
      n.map((flow) => end(flow, 'remove')),
      n.map((flow) => end(flow, 'cancel')),
      fc.tuple(n, lifeMs).map(([flow, life]) => extend(flow, life)),
      fc.tuple(lifeMs, fc.nat(4)).map(([afterMs, dueMax]) => poll(afterMs, dueMax)),
      lifeMs.map(wait),
    ],
    { maxCommands: 80, size: 'max' },
  );
  const run = fc.property(commands, fc.nat(), (list, seed) => {
    const setup = () => ({
      model: { given: new Map(), stored: new Map(), nowMs: START_MS } as Model,
      real: new FlowTable({ capacityMax: FLOWS, seed, nowMs: START_MS }),
    });
    fc.modelRun(setup, list);
  });
  fc.assert(run, { numRuns: 700 });
});
