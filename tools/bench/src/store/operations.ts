/** What is asked of the store, batch by batch; every answer is looked at. */
import { IN_DATA, OUT_DATA, OUT_SYN, TCP } from '@flowstore/flow';
import type { FlowStore, OpenRequest, StoredEntry } from '@flowstore/flow-store';
import type { BenchFlow } from './endpoints.ts';

export const INCARNATION = '00000000000000a1';
/** Calls under way at once, as many as a gateway has. */
const LANES = 4;

/** Calls `ask` with batches of `size`, several under way at once. */
export async function inBatches<Item>(
  items: readonly Item[],
  size: number,
  ask: (batch: readonly Item[]) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const batch = items.slice(next, next + size);
      next += size;
      await ask(batch);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** A flow, and what the store said of it. */
export interface FoundFlow {
  readonly flow: BenchFlow;
  readonly entry: StoredEntry;
}

export const openRequest = (
  { inside, outside, remote }: BenchFlow,
  nonce: number,
): OpenRequest => ({
  inside,
  remote,
  proposal: outside,
  incarnation: INCARNATION,
  nonce,
  seen: { flags: inside.protocol === TCP ? OUT_SYN : OUT_DATA, ageMs: 0, rstAgeMs: null },
  replaces: null,
});

export async function open(store: FlowStore, requests: readonly OpenRequest[]): Promise<void> {
  expectAll('open', await store.open(requests), 'created');
}

export async function findInside(store: FlowStore, flows: readonly BenchFlow[]) {
  const found = await store.find(
    flows.map(({ inside, remote }) => ({ direction: 'inside', inside, remote })),
  );
  return found.map((result, i): FoundFlow => {
    if (result?.kind !== 'entry') throw new Error(`find was answered ${result?.kind}`);
    return { flow: flows[i]!, entry: result.entry };
  });
}

export async function findOutside(store: FlowStore, flows: readonly BenchFlow[]): Promise<void> {
  const found = await store.find(
    flows.map(({ inside: { protocol }, outside, remote }) => {
      return { direction: 'outside', protocol, outside, remote };
    }),
  );
  expectAll('find', found, 'entry');
}

/** Each brings news: the flow was seen now, and TCP is established by it. */
export async function touch(store: FlowStore, found: readonly FoundFlow[]): Promise<void> {
  const seen = { flags: OUT_DATA | IN_DATA, ageMs: 0, rstAgeMs: null };
  expectAll('touch', await store.touch(found.map((it) => ({ ...named(it), seen }))), 'merged');
}

/** The whole binding goes with its only flow. */
export async function close(store: FlowStore, found: readonly FoundFlow[]): Promise<void> {
  const reason = 'cancel';
  expectAll('close', await store.close(found.map((it) => ({ ...named(it), reason }))), 'closed');
}

function named({ flow: { inside, outside, remote }, entry }: FoundFlow) {
  return { inside, outside, remote, identity: (entry.flow ?? entry.binding).identity };
}

type Results = readonly ({ readonly kind: string } | null)[];

function expectAll(what: string, results: Results, kind: string): void {
  const other = results.find((result) => result?.kind !== kind);
  if (other !== undefined) throw new Error(`${what} was answered ${other?.kind}`);
}
