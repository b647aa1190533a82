import { GatewayCounters } from '@flowstore/gateway-core';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { registerMetrics } from './metrics.ts';
import { LoopCounters } from './packet-loop.ts';
import type { Snapshot } from './thread-messages.ts';

function snapshot(packetsOut: number): Snapshot {
  const { malformed: _, ...core } = new GatewayCounters();
  return {
    core: { ...core, packetsOut, dropNoBinding: 2 },
    malformed: { HeaderChecksum: 3 },
    gauges: { flows: 7 },
    loop: { ...new LoopCounters() },
    inside: { rxFrames: 5, lastErrno: 11 },
    outside: { rxFrames: 6 },
    nextHops: { hits: 8 },
    routesReady: true,
  };
}

test('counters become series by a rule, and only grow from scrape to scrape', async () => {
  const registry = new Registry();
  let packets = 10;
  registerMetrics(registry, {
    snapshot: async () => snapshot(packets),
    storeIsUp: () => true,
    storeStats: () => ({ inFlight: 4, refused: 1, timedOut: 2, failed: 3, unreplicated: 0 }),
    members: () => 2,
    configState: () => ({ version: 3, nextVersion: 4, refused: false }),
    sessionLog: () => ({ begun: 0 }),
    peers: () => ({ sent: 3, forged: 1 }),
  });
  const first = await registry.metrics();
  for (const line of [
    'flowstore_packets_out_total 10',
    'flowstore_dropped_packets_total{reason="no_binding"} 2',
    'flowstore_malformed_packets_total{reason="header_checksum"} 3',
    'flowstore_wire_total{side="inside",event="rx_frames"} 5',
    'flowstore_next_hops_total{event="hits"} 8',
    'flowstore_flows 7',
    'flowstore_store_up 1',
    'flowstore_store_calls_in_flight 4',
    'flowstore_store_calls_total{event="timed_out"} 2',
    'flowstore_members 2',
    'flowstore_config_version 3',
    'flowstore_config_next_version 4',
    'flowstore_config_refused 0',
    'flowstore_peer_messages_total{event="forged"} 1',
    'flowstore_packet_thread_up 1',
  ]) {
    expect(first).toContain(`${line}\n`);
  }
  expect(first).not.toContain('errno');
  packets = 12;
  expect(await registry.metrics()).toContain('flowstore_packets_out_total 12\n');
});

test('a packet thread that does not answer is shown, and hides nothing else', async () => {
  const registry = new Registry();
  registerMetrics(registry, {
    snapshot: () => Promise.reject(new Error('silent')),
    storeIsUp: () => false,
    storeStats: () => ({ inFlight: 0, refused: 0, timedOut: 0, failed: 0, unreplicated: 0 }),
    members: () => 0,
    configState: () => ({ version: 3, nextVersion: 0, refused: true }),
    sessionLog: () => ({ begun: 0 }),
    peers: () => ({}),
  });
  const text = await registry.metrics();
  expect(text).toContain('flowstore_packet_thread_up 0\n');
  expect(text).toContain('flowstore_store_up 0\n');
  expect(text).toContain('flowstore_config_refused 1\n');
});
