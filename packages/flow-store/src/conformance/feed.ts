import { IN_DATA, IN_FIN, OUT_DATA, OUT_FIN, OUT_SYN, TCP, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { FeedEvent, FeedTail, StoredEntry } from '../contract.ts';
import { CONFORMANCE_CONFIG } from './harness.ts';
import {
  created,
  GATEWAY_1,
  GATEWAY_2,
  insideOf,
  OTHER_WEB,
  POOL,
  POOL_V6,
  portOf,
  type Scenario,
  SHARD,
  seen,
  tcp,
  udp,
  WEB,
} from './scenario.ts';

const { cacheLeaseMs, heartbeatMs, leaseMs } = CONFORMANCE_CONFIG;
const RST = { flags: 0, ageMs: null, rstAgeMs: 0 };

/** A gateway that reads the shard's feed from where it left off. */
class Reader {
  readonly #scenario: Scenario;
  readonly #incarnation: string;
  last: FeedTail | null = null;

  constructor(scenario: Scenario, incarnation = GATEWAY_1) {
    this.#scenario = scenario;
    this.#incarnation = incarnation;
  }

  async once() {
    const request = { shard: SHARD, incarnation: this.#incarnation, last: this.last, nonce: 77 };
    const [result] = await this.#scenario.store.feed([request]);
    this.last = result!.tail;
    return result!;
  }

  /** All there is to read of flows; 'gap' where the feed does not have what was last heard. */
  async news(): Promise<FeedEvent[] | 'gap'> {
    const events = await this.all();
    return events === 'gap' ? events : events.filter(({ kind }) => kind !== 'lease');
  }

  /** The same with what leases are told. */
  async all(): Promise<FeedEvent[] | 'gap'> {
    const events: FeedEvent[] = [];
    for (;;) {
      const result = await this.once();
      if (result.kind === 'gap') return 'gap';
      events.push(...result.events);
      if (!result.more) return events;
    }
  }
}

/** Lets time pass while somebody goes on reading, so that no silence is noticed. */
async function pass(scenario: Scenario, reader: Reader, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= heartbeatMs) {
    await scenario.harness.advance(Math.min(left, heartbeatMs));
    await reader.news();
  }
}

/** A reader that has heard all so far. */
async function listener(scenario: Scenario, incarnation?: string): Promise<Reader> {
  const reader = new Reader(scenario, incarnation);
  expect(await reader.news()).toBe('gap');
  return reader;
}

const opened = ({ inside, outside, binding }: StoredEntry): FeedEvent => ({
  kind: 'void',
  protocol: inside.protocol,
  outside,
  remote: null,
  below: binding.identity.generation,
});

/** The removal of a binding voids whatever was cached up to now, its own generation included. */
function expectRemoval(event: FeedEvent | undefined, { inside, outside, binding }: StoredEntry) {
  const { protocol } = inside;
  expect(event).toMatchObject({ kind: 'void', protocol, outside, remote: null });
  const below = event?.kind === 'void' ? event.below : 0;
  expect(below).toBeGreaterThan(binding.identity.generation);
}

export function feedTests(current: () => Scenario): void {
  it('begins with a gap, and has nothing to tell while nothing happens', async () => {
    const reader = await listener(current());
    expect(await reader.news()).toEqual([]);
    expect(await reader.news()).toEqual([]);
  });

  it('tells every reader which outside endpoint was opened, not of its use', async () => {
    const s = current();
    const readers = [await listener(s), await listener(s, GATEWAY_2)];
    const entry = await s.bound(tcp());
    await s.open(tcp(), { remote: OTHER_WEB });
    await s.open(tcp());
    await s.touch(tcp(), WEB, entry.flow!.identity, seen(OUT_DATA | IN_DATA));
    for (const reader of readers) expect(await reader.news()).toEqual([opened(entry)]);
    expect(await readers[0]!.news()).toEqual([]);
  });

  it('tells who leases a block from when on, not that it is renewed', async () => {
    const s = current();
    const reader = await listener(s);
    const range = { shard: SHARD, protocol: UDP, address: POOL, start: 3 };
    const [result] = await s.store.lease([{ ...range, incarnation: GATEWAY_1, blocks: 2 }]);
    const blocks = result?.kind === 'granted' ? result.blocks : [];
    const told = (holder: string | null) => (at: number) => {
      const { protocol, address, block } = blocks[at]!;
      return { kind: 'lease', protocol, address, block, holder };
    };
    expect(await reader.all()).toEqual([0, 1].map(told(GATEWAY_1)));
    await s.store.renew([{ ...blocks[0]!, incarnation: GATEWAY_1 }]);
    expect(await reader.all()).toEqual([]);
    await s.store.release([{ ...blocks[0]!, incarnation: GATEWAY_1 }]);
    await s.store.release([{ ...blocks[0]!, incarnation: GATEWAY_1 }]);
    expect(await reader.all()).toEqual([told(null)(0)]);
    await pass(s, reader, leaseMs);
    await s.sweep();
    expect(await reader.all()).toEqual([told(null)(1)]);
  });

  it('tells of a lease that was over before somebody else got the block', async () => {
    const s = current();
    const reader = await listener(s);
    const range = { shard: SHARD, protocol: UDP, address: POOL, start: 3 };
    await s.store.lease([{ ...range, incarnation: GATEWAY_1, blocks: 1 }]);
    await pass(s, reader, leaseMs);
    const [result] = await s.store.lease([{ ...range, incarnation: GATEWAY_2, blocks: 1 }]);
    const holders = ((await reader.all()) as FeedEvent[]).map((event) =>
      event.kind === 'lease' ? event.holder : event.kind,
    );
    // Its ports are in quarantine, so the next block is granted.
    expect(result?.kind).toBe('granted');
    expect(holders).toEqual([null, GATEWAY_2]);
  });

  it('tells of a binding that is cancelled, closed as idle, or swept', async () => {
    const s = current();
    const reader = await listener(s);
    const first = await s.bound(udp(0));
    await s.close(udp(0), null, first.binding.identity);
    const second = await s.bound(udp(1));
    const third = await s.bound(udp(2));
    await pass(s, reader, 600_000);
    await s.close(udp(1), null, second.binding.identity, 'idle');
    expectRemoval((await reader.news())[0] as FeedEvent, second);
    await s.sweep();
    const swept = await reader.news();
    expect(swept).toHaveLength(1);
    expectRemoval(swept[0] as FeedEvent, third);
  });

  it.each([
    ['IPv4', '198.18.1.10', POOL],
    ['IPv6', '2001:db8::10', POOL_V6],
  ])('tells which ports of a block a sweep freed, of %s', async (_, inner, pool) => {
    const s = current();
    const reader = await listener(s);
    const block = await s.lease(UDP, undefined, 0, pool);
    const entries: StoredEntry[] = [];
    for (const port of [0, 3, 15]) {
      const proposal = portOf(block, port);
      entries.push(created(await s.open(insideOf(UDP, port, inner), { proposal })));
    }
    await pass(s, reader, 600_000);
    await s.sweep();
    const news = (await reader.news()) as FeedEvent[];
    expect(news).toHaveLength(entries.length);
    for (const [i, entry] of entries.entries()) expectRemoval(news[i], entry);
  });

  it('tells of one flow that is cancelled by its remote endpoint', async () => {
    const s = current();
    const entry = await s.bound(tcp());
    const other = created(await s.open(tcp(), { remote: OTHER_WEB }));
    const reader = await listener(s);
    await s.close(tcp(), OTHER_WEB, other.flow!.identity);
    const [event] = await reader.news();
    const { outside } = entry;
    expect(event).toMatchObject({ kind: 'void', protocol: TCP, outside, remote: OTHER_WEB });
  });

  it('tells of a flow whose next incarnation took its place', async () => {
    const s = current();
    const first = await s.bound(tcp(), { seen: seen(OUT_FIN | IN_FIN) });
    const replaces = first.flow!.identity;
    const reader = await listener(s);
    const { flow, outside } = created(await s.open(tcp(), { replaces }));
    const [event] = (await reader.news()) as FeedEvent[];
    expect(event).toMatchObject({ kind: 'void', protocol: TCP, outside, remote: WEB });
    const below = event?.kind === 'void' ? event.below : 0;
    expect(below).toBeGreaterThan(replaces.generation);
    expect(below).toBeLessThanOrEqual(flow!.identity.generation);
  });

  it('tells once that a connection is closing', async () => {
    const s = current();
    const seenData = seen(OUT_SYN | OUT_DATA | IN_DATA, 500);
    const { flow, outside } = await s.bound(tcp(), { seen: seenData });
    const reader = await listener(s);
    await s.touch(tcp(), WEB, flow!.identity, RST);
    await s.touch(tcp(), WEB, flow!.identity, RST);
    const event = { kind: 'closing', protocol: TCP, outside, remote: WEB };
    expect(await reader.news()).toEqual([event]);
  });

  it('tells of a row whose entry vanished, once somebody meets it', async () => {
    const s = current();
    const entry = await s.bound(udp());
    const reader = await listener(s);
    await s.harness.loseEntry(udp());
    await pass(s, reader, 600_000);
    const late = await listener(s);
    await s.sweep();
    expectRemoval((await late.news())[0] as FeedEvent, entry);
  });

  it('tells all in the order in which it happened, however much it is', async () => {
    const s = current();
    const reader = await listener(s);
    const entries: StoredEntry[] = [];
    for (let n = 0; n < 5; n++) {
      const block = await s.lease(UDP, GATEWAY_1, n);
      for (let port = 0; port < 16; port++) {
        const proposal = { address: block.address, port: 1024 + block.block * 16 + port };
        entries.push(created(await s.open(udp(n * 16 + port), { proposal })));
      }
    }
    const first = await reader.once();
    expect(first).toMatchObject({ kind: 'events', more: true });
    const rest = await reader.news();
    const events = [...(first.kind === 'events' ? first.events : []), ...(rest as FeedEvent[])];
    const openings = events.filter(({ kind }) => kind !== 'lease');
    expect(openings).toEqual(entries.map(opened));
  });

  it('answers a gap to a reader that was silent for longer than it keeps events', async () => {
    const s = current();
    const reader = await listener(s);
    await s.bound(udp(0));
    await reader.news();
    await s.bound(udp(1));
    await pass(s, await listener(s, GATEWAY_2), 2 * cacheLeaseMs + 1);
    await s.bound(udp(2));
    expect(await reader.news()).toBe('gap');
    expect(await reader.news()).toEqual([]);
  });

  it('answers a gap to who heard another feed, even one with the same ids', async () => {
    const s = current();
    const reader = await listener(s);
    await s.bound(udp(0));
    await reader.news();
    await s.bound(udp(1));
    const { last } = reader;
    reader.last = { ...last!, tag: (last!.tag ^ 1) >>> 0 };
    expect(await reader.news()).toBe('gap');
    reader.last = { ...last!, id: '1-1' };
    expect(await reader.news()).toBe('gap');
  });
}
