/** The README and the code say the same: settings, metrics, limits, codes of errors. */
import { readFileSync } from 'node:fs';
import { createRegistry, envNames } from '@flowstore/service';
import { expect, test } from 'vitest';
import { CallSize } from './call-size.ts';
import { reaperSchema } from './config.ts';
import { createMetrics } from './metrics.ts';
import { Overdue } from './overdue.ts';

const PREFIX = 'flowstore_reaper_';
const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const README = read('../README.md');
/** What stands in backquotes, and words in braces are labels. */
const NAMES = new Set([...README.matchAll(/`([a-zA-Z_.]+)(?:\{[a-z,]+\})?`/g)].map(([, it]) => it));

test('every metric is in the README', async () => {
  const registry = createRegistry({ app: 'reaper', version: '0' });
  const size = new CallSize({ holdMsMax: 1, looksMax: 64 });
  createMetrics(registry, { overdue: new Overdue(() => 0), size, ready: () => true });
  const all = (await registry.getMetricsAsJSON()).map(({ name }) => name);
  const ours = all.filter((name) => name.startsWith(PREFIX));
  expect(ours.length).toBeGreaterThan(15);
  for (const name of ours) expect(NAMES, name).toContain(name.slice(PREFIX.length));
});

test('every setting of its own is in the README', () => {
  const plain = (name: string) => name.replace(/[._]/g, '').toLowerCase();
  const named = new Set([...NAMES].map((name) => plain(name!)));
  const own = [...envNames(reaperSchema, '').keys()].filter((name) => !name.startsWith('CLUSTER_'));
  for (const name of own) expect(named, name).toContain(plain(name));
});

test('every limit of the queue is in the README, with its figure', () => {
  const limits = read('queue.ts').matchAll(/^const ([A-Z_]+_MAX) = ([\d_]+);/gm);
  const rows = [...limits].map(
    ([, name, value]) => `| \`${name}\` | ${value!.replace('_', ',')} |`,
  );
  expect(rows.length).toBeGreaterThan(3);
  for (const row of rows) expect(README).toContain(row);
});

test('every code that a start may end with is in the README', () => {
  const sources = ['queue.ts', 'config-watch.ts'].map(read);
  const shared = ['config-error.ts', 'http.ts'].map((file) =>
    read(`../../../packages/service/src/${file}`),
  );
  const store = ['contract.ts', 'redis/connect.ts'].map((file) =>
    read(`../../../packages/flow-store/src/${file}`),
  );
  const text = [...sources, ...shared, ...store].join('\n');
  const codes = new Set([...text.matchAll(/'(FLOWSTORE_[A-Z_]+)'/g)].map(([, code]) => code!));
  expect(codes.size).toBeGreaterThan(5);
  for (const code of codes) expect(NAMES).toContain(code);
});
