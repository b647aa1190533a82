/** A checker that can't fail checks nothing: each is shown a history that it has to refuse. */
import { CLUSTER_DEFAULTS, ipv4FromNumber } from '@flowstore/flow';
import { ModelServer } from '@flowstore/flow-store/testing';
import { describe, expect, test } from 'vitest';
import { ACK, type Header, RST, SYN, TCP, UDP } from '../packet.ts';
import { Life } from '../world/life.ts';
import { Checks } from './checks.ts';
import { DeliveryChecker } from './deliveries.ts';
import { EndingChecker } from './endings.ts';
import { IdentityChecker } from './identities.ts';
import { PortChecker } from './ports.ts';
import { Sightings } from './sightings.ts';
import { TranslationChecker } from './translations.ts';
import type { BindingTruth, FlowTruth, Truth } from './truth.ts';

const config = { ...CLUSTER_DEFAULTS, pool: ['203.0.113.0/31'], insidePrefixes: ['198.18.0.0/16'] };
const [INSIDE, OTHER, REMOTE, OUTSIDE] = [0xc6120a0a, 0xc6120a0b, 0xc633640a, 0xcb007100];
const CAUSE = { operation: 'close', cancelled: false };

function setUp() {
  const clock = { nowMs: 1_000_000 };
  const nowMs = () => clock.nowMs;
  const checks = new Checks(nowMs, () => {});
  return { clock, nowMs, checks };
}

function binding(inside: number, more: Partial<BindingTruth> = {}): BindingTruth {
  return {
    endpoint: { domain: 0, protocol: UDP, address: ipv4FromNumber(inside), port: 5_000 },
    shard: 0,
    protocol: UDP,
    inside,
    insidePort: 5_000,
    outside: OUTSIDE,
    outsidePort: 2_000,
    generation: 1,
    nonce: 1,
    createdMs: 1_000_000,
    endedMs: null,
    isLost: false,
    cancelled: false,
    displaced: undefined,
    flows: new Map(),
    ...more,
  };
}

describe('I1', () => {
  const ended = (endedMs: number | null, more: Partial<BindingTruth> = {}) => {
    const { checks } = setUp();
    const former = binding(INSIDE, { endedMs, ...more });
    new PortChecker(checks, config).bindingCreated(binding(OTHER), former);
    return checks.failure?.invariant;
  };
  test('an outside endpoint whose last holder lives, or ended within the quarantine', () => {
    expect(ended(null)).toBe('I1');
    expect(ended(1_000_000 - config.quarantineMs + 1)).toBe('I1');
    expect(ended(1_000_000 - config.quarantineMs)).toBeUndefined();
  });
  test('not one that the store lost before anybody heard of it', () => {
    const sightings = new Sightings(UDP);
    const flows = new Map([[0, { sightings } as FlowTruth]]);
    expect(ended(999_999, { isLost: true, flows })).toBeUndefined();
    sightings.confirm(new Life(0, 1, '0', 0), 999_000, true);
    expect(ended(999_999, { isLost: true, flows })).toBe('I1');
  });
});

describe('I2', () => {
  const tag = {
    talk: 1,
    inside: INSIDE,
    insidePort: 5_000,
    remote: REMOTE,
    remotePort: 53,
    outside: OUTSIDE,
    outsidePort: 2_000,
    word: 0,
    sequence: 1,
    heardMs: 1_000_000,
  };
  const header: Header = {
    protocol: UDP,
    source: OUTSIDE,
    sourcePort: 2_000,
    destination: REMOTE,
    destinationPort: 53,
    control: 0,
  };

  function forward(holder: BindingTruth | undefined, endedAgoMs: number | null = null) {
    const { checks, nowMs } = setUp();
    const truth = { ofOutside: () => holder, flowOf: () => undefined } as unknown as Truth;
    if (holder !== undefined && endedAgoMs !== null) holder.endedMs = nowMs() - endedAgoMs;
    const options = { config, truth, nowMs, tight: false };
    const checker = new TranslationChecker(checks, options);
    checker.forwarded(new Life(0, 1, '0', 0), true, { header, tag, sequence: 0 });
    return checks.failure?.invariant;
  }

  test('a translation by what belongs to another, to nobody, or has ended too long ago', () => {
    expect(forward(binding(INSIDE))).toBeUndefined();
    expect(forward(binding(OTHER))).toBe('I2');
    expect(forward(undefined)).toBe('I2');
    expect(forward(binding(INSIDE), config.cacheLeaseMs - 1)).toBeUndefined();
    expect(forward(binding(INSIDE), config.cacheLeaseMs + 100)).toBe('I2');
  });

  test('a host that gets what was meant for somebody else', () => {
    const { checks, nowMs } = setUp();
    const deliveries = new DeliveryChecker(checks, config, nowMs);
    const to = { ...header, source: REMOTE, destination: INSIDE, destinationPort: 5_000 };
    deliveries.toInside(to, tag);
    expect(checks.failure).toBeNull();
    deliveries.toInside({ ...to, destination: OTHER }, tag);
    expect(checks.failure?.invariant).toBe('I2');
  });

  test('two inside endpoints behind one outside endpoint within a moment', () => {
    const { checks, nowMs, clock } = setUp();
    const deliveries = new DeliveryChecker(checks, config, nowMs);
    deliveries.toRemote(header, tag);
    clock.nowMs += 1_000;
    deliveries.toRemote(header, { ...tag, inside: OTHER });
    expect(checks.failure?.invariant).toBe('I2');
  });
});

/** A server that holds one binding. */
function serverWithBinding() {
  const server = new ModelServer({ config, nowMs: () => 5_000 });
  const address = ipv4FromNumber(INSIDE);
  const inside = { domain: 0, protocol: UDP, address, port: 5_000 };
  const shard = server.data.shards.find((_, i) => {
    const request = { shard: i, protocol: UDP, address: ipv4FromNumber(OUTSIDE) };
    const lease = { ...request, incarnation: '0'.repeat(16), blocks: 1, start: 0 };
    const [granted] = server.lease([lease]);
    if (granted?.kind !== 'granted') return false;
    const proposal = { address: request.address, port: 1_024 + granted.blocks[0]!.block * 16 };
    const opening = { inside, remote: null, proposal, incarnation: '0'.repeat(16), nonce: 7 };
    const seen = { flags: 0, ageMs: 0, rstAgeMs: null };
    try {
      return server.open([{ ...opening, seen, replaces: null }])[0]!.kind === 'created';
    } catch {
      return false;
    }
  });
  const entry = [...shard!.entries.values()][0]!;
  return { data: server.data, entries: shard!.entries, entry, inside };
}

test('I3: a close that ends another identity than it named', () => {
  const { checks } = setUp();
  const { data, entries, entry, inside } = serverWithBinding();
  const identity = { generation: entry.binding.generation + 1, nonce: 7 };
  const request = { inside, remote: null, identity };
  const identities = new IdentityChecker(checks);
  identities.around('close', request, data, () => entries.clear());
  expect(checks.failure?.invariant).toBe('I3');
});

test.each([
  ['none', 0, 'I3'],
  ['another', 1, 'I3'],
  ['that very one', 2, undefined],
])('I3: what is asserted takes the place of a binding, and named %s', (_, named, invariant) => {
  const { checks } = setUp();
  const { data, entry, inside } = serverWithBinding();
  const { binding } = entry;
  const { generation, nonce } = binding;
  const replaces = [null, { generation, nonce: nonce + 1 }, { generation, nonce }][named]!;
  const identity = { generation: generation - 1, nonce: 9 };
  const remote = { address: ipv4FromNumber(REMOTE), port: 80 };
  const outside = { ...binding.outside, port: binding.outside.port + 1 };
  const identities = new IdentityChecker(checks);
  identities.around('reassert', { inside, remote, identity, replaces }, data, () => {
    entry.binding = { ...binding, ...identity, outside };
  });
  expect(checks.failure?.invariant).toBe(invariant);
});

describe('I4', () => {
  const life = new Life(0, 1, '0', 0);

  function flow(sightings: Sightings): FlowTruth {
    const identity = { generation: 1, nonce: 1 };
    const to = {
      remote: 0,
      remotePort: 0,
      createdMs: 0,
      endedMs: null,
      isPutBack: false,
      isLost: false,
      former: null,
    };
    return { binding: binding(INSIDE), ...to, ...identity, lost: null, sightings };
  }

  function end(sightings: Sightings, afterMs: number, cause = CAUSE) {
    const { checks, clock, nowMs } = setUp();
    const checker = new EndingChecker(checks, config, nowMs);
    clock.nowMs += afterMs;
    checker.flowEnded(flow(sightings), cause);
    return checks.failure?.invariant;
  }

  test('an end before the timeout since the last packet, unless somebody wanted it', () => {
    const udp = new Sightings(UDP);
    udp.see(life, true, 0, config, 1_000_000);
    expect(end(udp, 299_000)).toBe('I4');
    expect(end(udp, 301_000)).toBeUndefined();
    expect(end(udp, 1_000, { operation: 'close', cancelled: true })).toBeUndefined();
  });

  test('inbound packets do not keep a UDP mapping, data keeps TCP, an RST ends it', () => {
    const udp = new Sightings(UDP);
    udp.see(life, false, 0, config, 1_000_000);
    expect(end(udp, 1_000)).toBeUndefined();
    const tcp = new Sightings(TCP);
    tcp.see(life, true, SYN, config, 999_000);
    expect(end(tcp, 300_000)).toBeUndefined();
    tcp.see(life, true, ACK, config, 999_000);
    tcp.see(life, false, ACK, config, 1_000_000);
    expect(end(tcp, 300_000)).toBe('I4');
    tcp.see(life, false, RST, config, 1_000_001);
    expect(end(tcp, 300_000)).toBeUndefined();
  });

  test('what was seen a moment before a kill may be lost, what was seen before is not', () => {
    const killed = new Life(0, 1, '0', 0);
    const tcp = new Sightings(TCP);
    tcp.see(killed, true, ACK, config, 1_000_000);
    tcp.see(killed, false, ACK, config, 1_000_000);
    killed.killed = true;
    killed.endedMs = 1_000_500;
    expect(end(tcp, 400_000)).toBeUndefined();
    killed.endedMs = 1_060_000;
    expect(end(tcp, 400_000)).toBe('I4');
  });
});
