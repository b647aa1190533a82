/**
 * The packet thread's counters as Prometheus metrics. Names follow mechanically from the counters':
 * `packetsOut` of the core is `flowstore_packets_out_total`, what begins with `drop` is a reason of
 * `flowstore_dropped_packets_total`.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Snapshot } from './thread-messages.ts';

export interface MetricSources {
  readonly snapshot: () => Promise<Snapshot>;
  readonly storeIsUp: () => boolean;
  readonly members: () => number;
}

export function registerMetrics(registry: Registry, sources: MetricSources): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `flowstore_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('store_up', 'Whether the store can be reached: 1 or 0', () =>
    sources.storeIsUp() ? 1 : 0,
  );
  gauge('members', 'Gateways of the deployment, as of the last heartbeat', sources.members);

  const dropped = new Counter({
    name: 'flowstore_dropped_packets_total',
    help: 'Packets dropped, by reason',
    labelNames: ['reason'],
    registers,
  });
  const malformed = new Counter({
    name: 'flowstore_malformed_packets_total',
    help: 'Packets that could not be read, by what was wrong',
    labelNames: ['reason'],
    registers,
  });
  const wire = new Counter({
    name: 'flowstore_wire_total',
    help: 'What the links counted, by side and event',
    labelNames: ['side', 'event'],
    registers,
  });
  const nextHops = new Counter({
    name: 'flowstore_next_hops_total',
    help: 'What the lookups of next hops counted, by event',
    labelNames: ['event'],
    registers,
  });
  const singles = new Map<string, Counter | Gauge>();

  const show = (snapshot: Snapshot) => {
    for (const counter of [dropped, malformed, wire, nextHops]) counter.reset();
    for (const [name, value] of Object.entries({ ...snapshot.core, ...snapshot.loop })) {
      if (name.startsWith('drop')) dropped.inc({ reason: snake(name.slice(4)) }, value);
      else setSingle(singles, registry, 'counter', name, value);
    }
    for (const [reason, value] of Object.entries(snapshot.malformed)) {
      malformed.inc({ reason: snake(reason) }, value);
    }
    for (const [name, value] of Object.entries(snapshot.gauges)) {
      setSingle(singles, registry, 'gauge', name, value);
    }
    for (const side of ['inside', 'outside'] as const) {
      for (const [event, value] of Object.entries(snapshot[side])) {
        if (event !== 'lastErrno') wire.inc({ side, event: snake(event) }, value);
      }
    }
    for (const [event, value] of Object.entries(snapshot.nextHops)) {
      nextHops.inc({ event: snake(event) }, value);
    }
  };
  const up = new Gauge({
    name: 'flowstore_packet_thread_up',
    help: 'Whether the packet thread answers: 1 or 0',
    registers,
  });
  const metrics = registry.metrics.bind(registry);
  // One question per scrape, before anything is printed.
  registry.metrics = async () => {
    try {
      show(await sources.snapshot());
      up.set(1);
    } catch {
      up.set(0);
    }
    return metrics();
  };
}

function setSingle(
  singles: Map<string, Counter | Gauge>,
  registry: Registry,
  kind: 'counter' | 'gauge',
  name: string,
  value: number,
): void {
  const full = `flowstore_${snake(name)}${kind === 'counter' ? '_total' : ''}`;
  let single = singles.get(full);
  if (single === undefined) {
    const help = `${sentence(name)} (see the gateway-core's counters)`;
    const options = { name: full, help, registers: [registry] };
    single = kind === 'counter' ? new Counter(options) : new Gauge(options);
    singles.set(full, single);
  }
  single.reset();
  single.inc(value);
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter, at) => `${at === 0 ? '' : '_'}${letter.toLowerCase()}`);
}

function sentence(name: string): string {
  const words = snake(name).replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
