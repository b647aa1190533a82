/** docs/limits.md and the code say the same: every limit is there, and every metric it names. */
import { readdirSync, readFileSync } from 'node:fs';
import { CLUSTER_DEFAULTS } from '@flowstore/flow';
import { DEFAULT_LIMITS, GatewayCore, GatewayCounters } from '@flowstore/gateway-core';
import { createMemoryLink, staticNextHops } from '@flowstore/packet-io';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { registerMetrics } from './metrics.ts';
import { LoopCounters } from './packet-loop.ts';
import { PeerCounters } from './peer-socket.ts';
import { SessionLog } from './session-log.ts';

const ROOT = new URL('../../../', import.meta.url);
/** Where a gateway's queues, buffers, batches and caches are. */
const SOURCES = [
  'apps/gateway',
  'packages/gateway-core',
  'packages/nat',
  'packages/flow-store',
  'packages/packet-io',
];
/** Constants that bound no store of anything. */
const NO_BUFFERS: Readonly<Record<string, string>> = {
  ERROR_BYTES_MAX: 'how long an ICMP error of our own may be',
  AGE_MS_MAX: 'the largest age that 32 bits hold',
  INTERFACE_NAME_BYTES_MAX: 'what the kernel takes for a name',
  REQUEST_BYTES_MAX: 'the size of one message, which is built in place',
  START_WAITS_MAX: 'patience at the start',
  TIMEOUT_MS_MAX: 'the largest timeout that poll(2) takes',
};

interface Row {
  readonly limit: string;
  readonly value: string;
  readonly metrics: readonly string[];
}

function tableRows(): Row[] {
  const text = readFileSync(new URL('docs/limits.md', ROOT), 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) => {
    const cells = line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, ''));
    const limit = /`(\w+)`/.exec(cells[0]!)![1]!;
    const metrics = [...cells[4]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    return { limit, value: cells[2]!, metrics };
  });
}

function sourcesIn(directory: string): string[] {
  const files = readdirSync(new URL(directory, ROOT), { recursive: true, encoding: 'utf8' });
  return files.filter(
    (file) => /\.ts$/.test(file) && !/\.(test|bench)\.|testing|conformance/.test(file),
  );
}

const rows = tableRows();
const named = new Set(rows.map(({ limit }) => limit));

test('every limit of a gateway is in the table, with its default', () => {
  const perSubscriber = Object.entries(CLUSTER_DEFAULTS).filter(([name]) => /Max$/.test(name));
  for (const [name, value] of [...Object.entries(DEFAULT_LIMITS), ...perSubscriber]) {
    const row = rows.find(({ limit }) => limit === name);
    expect(row, `${name} is not in docs/limits.md`).toBeDefined();
    expect(row!.value, name).toBe(value.toLocaleString('en-US'));
  }
});

test('every constant that limits something is in the table', () => {
  const missing: string[] = [];
  for (const directory of SOURCES.map((source) => `${source}/src/`)) {
    for (const file of sourcesIn(directory)) {
      const text = readFileSync(new URL(directory + file, ROOT), 'utf8');
      for (const [, name] of text.matchAll(/^(?:export )?const ([A-Z_]+_MAX)\b/gm)) {
        if (!named.has(name!) && NO_BUFFERS[name!] === undefined) missing.push(`${file}: ${name}`);
      }
    }
  }
  expect(missing).toEqual([]);
});

test('no limit is in the table that the code does not know', () => {
  const texts = [...SOURCES, 'packages/flow', 'packages/flow-table'].flatMap((source) =>
    sourcesIn(`${source}/src/`).map((file) =>
      readFileSync(new URL(`${source}/src/${file}`, ROOT), 'utf8'),
    ),
  );
  const code = texts.join('\n');
  expect([...named].filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
});

test('every metric that the table names is exported', async () => {
  const exported = await metricsText();
  const missing = rows.flatMap(({ limit, metrics }) =>
    metrics
      .filter((metric) => !isExported(metric, exported))
      .map((metric) => `${limit}: ${metric}`),
  );
  expect(missing).toEqual([]);
});

function isExported(metric: string, text: string): boolean {
  const full = metric.replace(/^dropped\{(\w+)\}$/, 'dropped_packets_total{reason="$1"}');
  const [, name, label] = /^(\w+)(?:\{(.+)\})?$/.exec(full)!;
  return text
    .split('\n')
    .some((line) => /^\w+/.exec(line)?.[0] === `flowstore_${name}` && line.includes(label ?? ''));
}

function newSessionLog(): SessionLog {
  const keep = async () => {};
  return new SessionLog({
    gateway: 'gw1',
    wallMs: () => 0,
    sessionsMax: 1,
    keep,
    write: () => true,
  });
}

/** What a gateway shows that has done nothing yet. */
async function metricsText(): Promise<string> {
  const registry = new Registry();
  const { malformed: _, ...core } = new GatewayCounters();
  const [wire] = createMemoryLink('inside', 'outside');
  const config = {
    ...CLUSTER_DEFAULTS,
    pool: ['203.0.113.0/28'],
    insidePrefixes: ['198.18.0.0/16'],
  };
  const gateway = new GatewayCore({
    config,
    limits: { ...DEFAULT_LIMITS, flowsMax: 64 },
    incarnation: '0'.repeat(16),
    random: () => 0,
    nowMs: 0,
    emit: () => {},
  });
  registerMetrics(registry, {
    snapshot: async () => ({
      core,
      malformed: {},
      gauges: gateway.gauges,
      loop: { ...new LoopCounters() },
      inside: { ...wire.counters },
      outside: { ...wire.counters },
      nextHops: { ...staticNextHops([], []).counters },
      routesReady: true,
    }),
    storeIsUp: () => true,
    storeStats: () => ({ inFlight: 0, refused: 0, timedOut: 0, failed: 0, unreplicated: 0 }),
    members: () => 1,
    configState: () => ({ version: 1, nextVersion: 0, refused: false }),
    peers: () => ({ ...new PeerCounters() }),
    sessionLog: () => newSessionLog().counters,
  });
  return registry.metrics();
}
