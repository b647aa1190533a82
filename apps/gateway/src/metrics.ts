/**
 * The packet thread's counters as Prometheus metrics. Names follow mechanically from the counters':
 * `packetsOut` of the core is `flowstore_packets_out_total`, what begins with `drop` is a reason of
 * `flowstore_dropped_packets_total`.
 */
import type { RedisStoreStats } from '@flowstore/flow-store';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ConfigState } from './membership.ts';
import type { Snapshot } from './thread-messages.ts';

export interface MetricSources {
  readonly snapshot: () => Promise<Snapshot>;
  readonly storeIsUp: () => boolean;
  /** What the store's client counts; `inFlight` goes up and down. */
  readonly storeStats: () => RedisStoreStats;
  readonly members: () => number;
  readonly configState: () => ConfigState;
  /** What came of messages between gateways, by event. */
  readonly peers: () => Readonly<Record<string, number>>;
  /** Lines of the session log, by event. */
  readonly sessionLog: () => Readonly<Record<string, number>>;
}

type Labels = Readonly<Record<string, string>>;

const HELP: Readonly<Record<string, string>> = {
  dropped_packets_total: 'Packets dropped, by reason',
  malformed_packets_total: 'Packets that could not be read, by what was wrong',
  wire_total: 'What the links counted, by side and event',
  next_hops_total: 'What the lookups of next hops counted, by event',
  packet_thread_up: 'Whether the packet thread answers: 1 or 0',
  store_calls_total: 'Script calls without an answer that counts, by what became of them',
  store_calls_in_flight: 'Script calls whose answer is still to come',
  store_up: 'Whether the store can be reached: 1 or 0',
  peer_messages_total: 'Messages between gateways, by what became of them',
  session_log_lines_total: 'Lines of the session log, by what became of them',
  config_version: 'Version of the cluster configuration that holds',
  config_next_version: 'Version that is published and gone by beside it; 0: none',
  config_refused: 'Whether a published configuration can’t be gone by: 1 or 0',
  members: 'Gateways of the deployment, as of the last heartbeat',
};

/** Every scrape asks the packet thread once, before anything is printed. */
export function registerMetrics(registry: Registry, sources: MetricSources): void {
  const mirror = new Mirror(registry);
  const print = registry.metrics.bind(registry);
  registry.metrics = async () => {
    mirror.gauge('store_up', sources.storeIsUp() ? 1 : 0);
    mirror.gauge('members', sources.members());
    const { version, nextVersion, refused } = sources.configState();
    mirror.gauge('config_version', version);
    mirror.gauge('config_next_version', nextVersion);
    mirror.gauge('config_refused', refused ? 1 : 0);
    showStore(mirror, sources.storeStats());
    for (const [event, value] of Object.entries(sources.peers())) {
      mirror.counter('peer_messages_total', value, { event });
    }
    for (const [event, value] of Object.entries(sources.sessionLog())) {
      mirror.counter('session_log_lines_total', value, { event: snake(event) });
    }
    const snapshot = await sources.snapshot().catch(() => undefined);
    mirror.gauge('packet_thread_up', snapshot === undefined ? 0 : 1);
    if (snapshot !== undefined) show(mirror, snapshot);
    return print();
  };
}

function show(mirror: Mirror, snapshot: Snapshot): void {
  const { core, loop, malformed, gauges, nextHops } = snapshot;
  for (const [name, value] of Object.entries({ ...core, ...loop })) {
    if (name.startsWith('drop')) {
      mirror.counter('dropped_packets_total', value, { reason: snake(name.slice(4)) });
    } else {
      mirror.counter(`${snake(name)}_total`, value);
    }
  }
  for (const [reason, value] of Object.entries(malformed)) {
    mirror.counter('malformed_packets_total', value, { reason: snake(reason) });
  }
  for (const [name, value] of Object.entries(gauges)) mirror.gauge(snake(name), value);
  for (const side of ['inside', 'outside'] as const) {
    for (const [event, value] of Object.entries(snapshot[side])) {
      if (event === 'lastErrno') continue;
      mirror.counter('wire_total', value, { side, event: snake(event) });
    }
  }
  for (const [event, value] of Object.entries(nextHops)) {
    mirror.counter('next_hops_total', value, { event: snake(event) });
  }
}

function showStore(mirror: Mirror, { inFlight, ...events }: RedisStoreStats): void {
  mirror.gauge('store_calls_in_flight', inFlight);
  for (const [event, value] of Object.entries(events)) {
    mirror.counter('store_calls_total', value, { event: snake(event) });
  }
}

/** Metrics that show numbers counted elsewhere; each is made when it is first shown. */
class Mirror {
  readonly #registry: Registry;
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #shown = new Map<string, number>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  gauge(name: string, value: number): void {
    const gauge = this.#gauges.get(name) ?? new Gauge(this.#describe(name, {}));
    this.#gauges.set(name, gauge);
    gauge.set(value);
  }

  counter(name: string, value: number, labels: Labels = {}): void {
    const counter = this.#counters.get(name) ?? new Counter(this.#describe(name, labels));
    this.#counters.set(name, counter);
    const series = `${name} ${Object.values(labels).join(' ')}`;
    counter.inc(labels, value - (this.#shown.get(series) ?? 0));
    this.#shown.set(series, value);
  }

  #describe(name: string, labels: Labels) {
    const words = name.replace(/_total$/, '').replaceAll('_', ' ');
    return {
      name: `flowstore_${name}`,
      help: HELP[name] ?? `${words.charAt(0).toUpperCase()}${words.slice(1)}`,
      labelNames: Object.keys(labels),
      registers: [this.#registry],
    };
  }
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter, at) => `${at === 0 ? '' : '_'}${letter.toLowerCase()}`);
}
