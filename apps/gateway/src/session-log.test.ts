import { ipv4FromNumber, parseAddress, TCP, UDP } from '@flowstore/flow';
import type { FeedEvent, StoredEntry } from '@flowstore/flow-store';
import type { Operation, StoreCall, StoreReply } from '@flowstore/gateway-core';
import { expect, test } from 'vitest';
import { type SessionLine, SessionLog, type SessionRecord } from './session-log.ts';

const OUTSIDE = { address: parseAddress('203.0.113.5'), port: 40_123 };
const REMOTE = { address: parseAddress('198.51.100.10'), port: 443 };
const WALL_MS = Date.parse('2026-11-26T14:05:12.500Z');

class Written {
  readonly lines: SessionRecord[] = [];
  readonly texts: string[] = [];
  fails = false;
  isFull = false;
  readonly log: SessionLog;

  constructor(sessionsMax = 100) {
    this.log = new SessionLog({
      gateway: 'gw1',
      wallMs: () => WALL_MS,
      sessionsMax,
      keep: async (lines: readonly SessionLine[]) => {
        if (this.fails) throw new Error('away');
        this.lines.push(...lines.map(({ line }) => JSON.parse(line) as SessionRecord));
      },
      write: (text) => {
        if (!this.isFull) this.texts.push(text);
        return !this.isFull;
      },
    });
  }

  async hear(operation: Operation, requests: unknown[], results: unknown[] | null): Promise<void> {
    const reply = { id: 1, results } as unknown as StoreReply;
    await this.log.observe({ id: 1, operation, requests } as unknown as StoreCall, reply);
  }

  open(nonce: number, entry: StoredEntry, kind = 'created'): Promise<void> {
    return this.hear('open', [{ nonce, seen: { ageMs: 500 } }], [{ kind, entry }]);
  }

  find(entry: StoredEntry): Promise<void> {
    return this.hear('find', [{}], [{ kind: 'entry', entry }]);
  }

  tell(...events: FeedEvent[]): Promise<void> {
    return this.hear('feed', [{}], [{ kind: 'events', events }]);
  }
}

function entryOf(generation: number, nonce = 1, protocol = UDP, port = 5_000): StoredEntry {
  const inside = { domain: 0, protocol, address: parseAddress('198.18.1.10'), port };
  const state = { flags: 0, reset: false, lifeMs: 1 };
  const binding = { identity: { generation, nonce }, ...state };
  const flow = protocol === TCP ? { ...binding, identity: { generation: 99, nonce: 9 } } : null;
  return { inside, outside: OUTSIDE, binding, flow };
}

const over = (below: number, protocol = UDP): FeedEvent => {
  return { kind: 'void', protocol, outside: OUTSIDE, remote: null, below };
};

test('6888-12: a binding begins and ends, and nothing says with whom it spoke', async () => {
  const written = new Written();
  await written.open(1, entryOf(7));
  // Its own opening is an event, too.
  await written.tell(over(7));
  await written.tell(over(8));
  const binding = {
    protocol: 'udp',
    domain: 0,
    inside: '198.18.1.10:5000',
    outside: '203.0.113.5:40123',
    generation: 7,
    gateway: 'gw1',
  };
  expect(written.lines).toEqual([
    { at: '2026-11-26T14:05:12.000Z', event: 'begin', how: 'opened', ...binding },
    { at: '2026-11-26T14:05:12.500Z', event: 'end', ...binding },
  ]);
  expect(written.texts.join('')).not.toContain('198.51.100');
});

test('6888-14: is said once, however many flows it has', async () => {
  const written = new Written();
  await written.open(1, entryOf(7, 1, TCP));
  for (const nonce of [2, 3]) await written.open(nonce, entryOf(7, 1, TCP));
  await written.find(entryOf(7, 1, TCP));
  // The end of one flow is not the binding's.
  await written.tell({ ...over(200, TCP), remote: REMOTE } as FeedEvent);
  await written.tell({ kind: 'closing', protocol: TCP, outside: OUTSIDE, remote: REMOTE });
  expect(written.lines).toHaveLength(1);
});

test('whoever takes a binding over says so: its opener may have died before it did', async () => {
  const written = new Written();
  await written.find(entryOf(7));
  await written.open(5, entryOf(8, 3), 'exists');
  expect(written.lines.map(({ event, how, generation }) => [event, how, generation])).toEqual([
    ['begin', 'found', 7],
    ['end', undefined, 7],
    ['begin', 'found', 8],
  ]);
});

test('a line that can’t be kept or written is counted, and holds nobody up', async () => {
  const written = new Written();
  written.fails = true;
  written.isFull = true;
  await written.open(1, entryOf(7));
  await written.hear('open', [{}], null);
  await written.hear('open', [{}], [null]);
  await written.hear('open', [{ nonce: 1 }], [{ kind: 'portTaken' }]);
  expect(written.log.counters).toMatchObject({ begun: 1, notKept: 1, notWritten: 1 });
});

test('beyond sessionsMax the oldest ends untold', async () => {
  const written = new Written(2);
  for (let i = 0; i < 4; i++) {
    const outside = { address: ipv4FromNumber(0xcb007105), port: 2_000 + i };
    await written.open(i, { ...entryOf(7, i), outside });
    await written.tell({ ...over(7), outside } as FeedEvent);
  }
  await written.tell({ ...over(8), outside: { ...OUTSIDE, port: 2_000 } } as FeedEvent);
  await written.tell({ ...over(8), outside: { ...OUTSIDE, port: 2_003 } } as FeedEvent);
  expect(written.log.counters).toMatchObject({ begun: 4, ended: 1, forgotten: 2 });
});
