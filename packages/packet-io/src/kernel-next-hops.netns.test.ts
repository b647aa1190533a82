import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { WriteAnswer } from './testing/hops.ts';
import { type Program, TestNetwork, whyNoNamespaces } from './testing/namespaces.ts';

const reason = whyNoNamespaces();
const WAIT = { timeout: 10_000, interval: 20 };

describe.skipIf(reason !== undefined)(`next hops of the kernel (${reason ?? 'root'})`, () => {
  let network: TestNetwork;
  let hops: Program;

  const write = (address: string) => hops.ask<WriteAnswer>(`write ${address}`);
  const indexOf = async (link: string) => (await hops.ask<{ index: number }>(`link ${link}`)).index;
  const becomes = (address: string, check: (answer: WriteAnswer) => void) =>
    vi.waitFor(async () => check(await write(address)), WAIT);

  beforeAll(async () => {
    network = new TestNetwork();
    hops = network.start('r', 'hops.ts');
    await hops.answer();
  });
  afterAll(() => network?.close());

  test('links, MTUs and own addresses', async () => {
    network.ip('r', 'link', 'set', 'r0', 'mtu', '1400');
    await vi.waitFor(async () => {
      expect(await hops.ask('link r0')).toMatchObject({ mtu: 1400 });
    }, WAIT);
    expect(await hops.ask('link r1')).toMatchObject({ mtu: 1500 });
    expect(await hops.ask('link nothing')).toEqual({ index: -1, mtu: 0 });
    for (const [address, own] of [
      ['198.18.0.1', true],
      ['198.19.0.1', true],
      ['198.18.0.2', false],
      ['224.0.0.5', true],
    ]) {
      expect(await hops.ask(`local ${address}`)).toBe(own);
    }
    network.ip('r', 'address', 'add', '203.0.113.1/24', 'broadcast', '+', 'dev', 'r1');
    await vi.waitFor(async () => {
      expect(await hops.ask('local 203.0.113.1')).toBe(true);
      expect(await hops.ask('local 203.0.113.255')).toBe(true);
    }, WAIT);
    network.ip('r', 'address', 'del', '203.0.113.1/24', 'dev', 'r1');
    await vi.waitFor(async () => {
      expect(await hops.ask('local 203.0.113.1')).toBe(false);
    }, WAIT);
  });

  test('an unknown neighbour is asked for and then resolves', async () => {
    expect((await write('198.19.0.2')).index).toBe(-2);
    const index = await indexOf('r1');
    const header = `${network.mac('b', 'b0')}${network.mac('r', 'r1')}0800`.replaceAll(':', '');
    await becomes('198.19.0.2', (answer) => expect(answer).toEqual({ index, header }));
  });

  test('nobody there: unresolved, and the kernel is asked at a bounded rate', async () => {
    const before = await hops.ask<{ asks: number }>('counters');
    for (let k = 0; k < 50; k++) expect((await write('198.19.0.77')).index).toBe(-2);
    const after = await hops.ask<{ asks: number }>('counters');
    expect(after.asks - before.asks).toBeGreaterThan(0);
    expect(after.asks - before.asks).toBeLessThan(10);
  });

  test('routes come and go', async () => {
    const [r0, r1] = [await indexOf('r0'), await indexOf('r1')];
    expect((await write('203.0.113.9')).index).toBe(-1);
    network.ip('r', 'route', 'add', 'default', 'via', '198.19.0.2');
    await becomes('203.0.113.9', ({ index }) => expect(index).toBe(r1));
    network.ip('r', 'route', 'add', '203.0.113.0/28', 'via', '198.18.0.2');
    await becomes('203.0.113.9', ({ index }) => expect(index).toBe(r0));
    network.ip('r', 'route', 'add', 'unreachable', '203.0.113.9');
    await becomes('203.0.113.9', ({ index }) => expect(index).toBe(-1));
    network.ip('r', 'route', 'del', 'unreachable', '203.0.113.9');
    await becomes('203.0.113.9', ({ index }) => expect(index).toBe(r0));
    // The kernel sends no news of the routes that a link takes with it.
    network.ip('r', 'link', 'set', 'r0', 'down');
    await becomes('203.0.113.9', ({ index }) => expect(index).toBe(r1));
    network.ip('r', 'link', 'set', 'r0', 'up');
  });

  test('multipath routes use both ways', async () => {
    const hop = (via: string) => ['nexthop', 'via', via, 'weight', '1'];
    network.ip('r', 'route', 'add', '198.51.100.0/24', ...hop('198.18.0.2'), ...hop('198.19.0.2'));
    const both = [await indexOf('r0'), await indexOf('r1')].sort();
    await vi.waitFor(async () => {
      const seen = new Set<number>();
      for (let k = 1; k < 20; k++) seen.add((await write(`198.51.100.${k}`)).index);
      expect([...seen].sort()).toEqual(both);
    }, WAIT);
  });

  test('a neighbour that changes its MAC is followed, a failed one is not used', async () => {
    const fixed = ['198.19.0.66', 'dev', 'r1', 'nud', 'permanent'];
    network.ip('r', 'neigh', 'replace', ...fixed, 'lladdr', '02:00:00:00:00:66');
    await becomes('198.19.0.66', ({ header }) => expect(header).toMatch(/^020000000066/));
    network.ip('r', 'neigh', 'replace', ...fixed, 'lladdr', '02:00:00:00:00:67');
    await becomes('198.19.0.66', ({ header }) => expect(header).toMatch(/^020000000067/));
    network.ip('r', 'neigh', 'replace', '198.19.0.66', 'dev', 'r1', 'nud', 'failed');
    await becomes('198.19.0.66', ({ index }) => expect(index).toBe(-2));
  });

  test('a stale neighbour in use is verified', async () => {
    await becomes('198.19.0.2', ({ index }) => expect(index).toBeGreaterThan(0));
    const before = await hops.ask<{ asks: number }>('counters');
    const mac = network.mac('b', 'b0');
    network.ip('r', 'neigh', 'replace', '198.19.0.2', 'dev', 'r1', 'nud', 'stale', 'lladdr', mac);
    await vi.waitFor(async () => {
      // In use it stays usable all the time.
      expect((await write('198.19.0.2')).index).toBeGreaterThan(0);
      const after = await hops.ask<{ asks: number }>('counters');
      expect(after.asks).toBeGreaterThan(before.asks);
    }, WAIT);
    const states = network.ip('r', 'neigh', 'show', '198.19.0.2');
    expect(states).toMatch(/DELAY|PROBE|REACHABLE/);
  });

  test('networks with the same prefix: each interface by its own route', async () => {
    const prefix = '192.0.2.0/24';
    const of = { r0: '198.18.0.2', r1: '198.19.0.2' };
    const links = ['r0', 'r1'] as const;
    const each = links.map((link) => network.start('r', 'hops.ts', link));
    for (const [k, link] of links.entries()) {
      await each[k]!.answer();
      network.ip('r', 'route', 'add', prefix, 'via', of[link], 'metric', `${10 + k}`);
    }
    for (const [k, link] of links.entries()) {
      const index = await indexOf(link);
      await vi.waitFor(async () => {
        const answer = await each[k]!.ask<WriteAnswer>('write 192.0.2.9');
        expect(answer.index).toBe(index);
      }, WAIT);
    }
    // What is left, and the default route, lead over the other one.
    network.ip('r', 'route', 'del', prefix, 'via', of.r0);
    await vi.waitFor(async () => {
      expect(await each[0]!.ask('write 192.0.2.9')).toMatchObject({ index: -1 });
    }, WAIT);
    network.ip('r', 'route', 'del', prefix, 'via', of.r1);
  });

  test('news that overrun us: everything is read anew and is right again', async () => {
    // The program polls only when it is asked something: meanwhile these pile up.
    const change = (k: number) => {
      const mac = `02:00:00:00:${(k >> 8).toString(16)}:${(k & 255).toString(16)}`;
      return `neigh replace 198.19.0.${100 + (k % 100)} dev r1 lladdr ${mac} nud permanent\n`;
    };
    const changes = Array.from({ length: 20_000 }, (_, k) => change(k));
    network.ipBatch('r', changes.join(''));
    await vi.waitFor(async () => {
      const counters = await hops.ask<Record<string, number>>('counters');
      expect(counters.overruns).toBeGreaterThan(0);
    }, WAIT);
    // Number 19 999 was the last to say where 198.19.0.199 is.
    await becomes('198.19.0.199', ({ header }) => expect(header).toMatch(/^020000004e1f/));
    await becomes('198.19.0.2', ({ index }) => expect(index).toBeGreaterThan(0));
  });

  test('a hit allocates nothing', async () => {
    await becomes('198.19.0.2', ({ index }) => expect(index).toBeGreaterThan(0));
    const cost = await hops.ask<{ ns: number; bytes: number }>('cost 198.19.0.2');
    expect(cost.bytes).toBeLessThan(1);
  });
});
