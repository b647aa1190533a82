/** The clients and servers of a run, and what they tell. */
import { type Lab, Traffic, type TrafficEvent } from '@flowstore/lab';
import type { FlowStory } from './traffic/story.ts';
import type { Conflict } from './traffic/witness.ts';
import type { Windows } from './windows.ts';

const fileOf = (name: string) => new URL(`./traffic/${name}.ts`, import.meta.url).pathname;

export type { FlowStory } from './traffic/story.ts';
export { Windows } from './windows.ts';

const LISTENING_MS_MAX = 20_000;
const OPENED_MS_MAX = 60_000;
const END_MS_MAX = 40_000;

export interface Load {
  readonly trickles: number;
  readonly idles: number;
  readonly bulks: number;
  readonly udps: number;
  readonly shortsPerS: number;
  readonly dnsPerS: number;
  /** Between two words of a trickle, or datagrams; as client.ts has it when left out. */
  readonly intervalMs?: number;
  /** How many of those that stay begin in a second, of each class; 1,000 when left out. */
  readonly beginPerS?: number;
}

/** Of each of two clients. */
export const LOAD_DEFAULT: Load = {
  trickles: 60,
  idles: 20,
  bulks: 2,
  udps: 40,
  shortsPerS: 8,
  dnsPerS: 8,
};

export class TrafficRun {
  readonly stories: FlowStory[] = [];
  readonly conflicts: Conflict[] = [];
  readonly #lab: Lab;
  readonly #windows: Windows;
  #clients: Traffic[] = [];
  #servers: Traffic[] = [];

  constructor(lab: Lab, windows: Windows) {
    this.#lab = lab;
    this.#windows = windows;
  }

  /** Resolves once all that stay are open. */
  async start(load: Load, quarantineMs: number): Promise<void> {
    const quarantine = ['--quarantine-ms', String(quarantineMs)];
    this.#servers = ['server1', 'server2'].map((node) => this.#run(node, 'server', quarantine));
    for (const server of this.#servers) await server.waitFor('listening', LISTENING_MS_MAX);
    const counts = Object.entries({
      trickles: load.trickles,
      idles: load.idles,
      bulks: load.bulks,
      udps: load.udps,
      'shorts-per-s': load.shortsPerS,
      'dns-per-s': load.dnsPerS,
      ...(load.intervalMs === undefined ? {} : { 'interval-ms': load.intervalMs }),
      ...(load.beginPerS === undefined ? {} : { 'begin-per-s': load.beginPerS }),
    }).flatMap(([name, count]) => [`--${name}`, String(count)]);
    this.#clients = [1, 2].map((at) => {
      const who = ['--name', `c${at}`, '--address', `198.18.1.${9 + at}`];
      return this.#run(`client${at}`, 'client', [...who, ...counts]);
    });
    for (const client of this.#clients) await client.waitFor('opened', OPENED_MS_MAX);
  }

  /** Ends all flows that stayed; their stories are told then. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop(END_MS_MAX)));
    await Promise.all(this.#servers.map((server) => server.stop()));
  }

  #run(node: string, program: string, args: readonly string[]): Traffic {
    const child = this.#lab.spawn(node, process.execPath, [fileOf(program), ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    return new Traffic(`${program} in ${node}`, child, (event) => this.#hear(event));
  }

  #hear(event: TrafficEvent): void {
    if (event.event === 'flow') this.stories.push(event as unknown as FlowStory);
    if (event.event === 'conflict') this.conflicts.push(event as unknown as Conflict);
    if (event.event === 'stood') {
      const { fromMs, toMs } = event as unknown as { fromMs: number; toMs: number };
      this.#windows.add('the machine stood still', fromMs, toMs, { stalls: true, refuses: true });
    }
  }
}
