/**
 * Runs in a client's namespace: all classes of flows at once. Those that stay are opened at the
 * start; the others come and go. Each flow's story is a line when it ends.
 *
 *   client.ts --name c1 --address 198.18.1.10 --trickles 50 --idles 10 --bulks 2 --udps 30
 *             --shorts-per-s 10 --dns-per-s 10 [--interval-ms N] [--begin-per-s N]
 */
import { parseArgs } from 'node:util';
import { nowMs } from '../clock.ts';
import { askDns } from './dns-flow.ts';
import type { FlowClass, FlowStory } from './story.ts';
import { TcpFlow } from './tcp-flow.ts';
import { tell } from './tell.ts';
import { UdpFlow } from './udp-flow.ts';

const SERVERS = ['198.51.100.10', '198.51.100.20'];
const DEFAULT_INTERVALS_MS = { trickle: 300, udp: 300, bulk: 50, idle: 12_000 } as const;
const BULK_LINE_CHARS = 16_384;
const TICK_MS = 10;
/** A loop that stood still for so long may have caused gaps of its own. */
const OWN_STALL_MS = 400;
const DRAIN_MS = 6_000;
const BEGIN_PER_TICK_MAX = 32;
const OPENED_MS_MAX = 12_000;

type Staying = keyof typeof DEFAULT_INTERVALS_MS;
type Steady = { say(): void; leave(): void; readonly waits: boolean; readonly answered: boolean };

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'c' },
    address: { type: 'string', default: '198.18.1.10' },
    trickles: { type: 'string', default: '50' },
    idles: { type: 'string', default: '10' },
    bulks: { type: 'string', default: '2' },
    udps: { type: 'string', default: '30' },
    'interval-ms': { type: 'string' },
    'begin-per-s': { type: 'string', default: '1000' },
    'shorts-per-s': { type: 'string', default: '10' },
    'dns-per-s': { type: 'string', default: '10' },
  },
});
const client = values.address;
const intervalMs = (kind: Staying): number =>
  values['interval-ms'] === undefined || kind === 'bulk' || kind === 'idle'
    ? DEFAULT_INTERVALS_MS[kind]
    : Number(values['interval-ms']);
const counts: Record<Staying, number> = {
  trickle: Number(values.trickles),
  idle: Number(values.idles),
  bulk: Number(values.bulks),
  udp: Number(values.udps),
};

let numbers = 0;
let opened = false;
let underWay = 0;
const newFlow = () => `${values.name}-${process.pid}-${++numbers}`;
const serverOf = (number: number) => SERVERS[number % SERVERS.length]!;

function ended(story: FlowStory): void {
  underWay--;
  tell({ event: 'flow', ...story });
}

function begin(kind: FlowClass): Steady {
  underWay++;
  const server = serverOf(numbers);
  const flow = newFlow();
  if (kind === 'udp') return new UdpFlow({ flow, server, client }, ended);
  const padding = kind === 'bulk' ? flow.padEnd(BULK_LINE_CHARS, '.') : '';
  return new TcpFlow({ flow, kind, server, padding }, ended);
}

function beginShort(): void {
  const flow = begin('short') as TcpFlow;
  flow.onAnswered = () => flow.leave();
}

function beginDns(): void {
  underWay++;
  const server = serverOf(numbers);
  askDns({ flow: newFlow(), server, client }, ended);
}

/** Does something so often a second, evenly; after a stall of our own it is not made up for. */
class Pace {
  #dueMs: number;
  readonly #everyMs: number;
  readonly #what: () => void;

  constructor(everyMs: number, what: () => void) {
    this.#everyMs = everyMs;
    this.#what = what;
    this.#dueMs = nowMs() + everyMs;
  }

  turn(now: number): void {
    if (now - this.#dueMs > OWN_STALL_MS) this.#dueMs = now;
    for (; this.#dueMs <= now; this.#dueMs += this.#everyMs) this.#what();
  }
}

const kinds = (Object.keys(counts) as Staying[]).filter((kind) => counts[kind] > 0);
/** Those that stay, as far as they were begun. */
const steady = kinds.map((kind) => {
  const flows: Steady[] = [];
  let next = 0;
  const say = () => flows[next++ % counts[kind]]?.say();
  return { kind, flows, pace: new Pace(intervalMs(kind) / counts[kind], say) };
});
const paces = steady.map(({ pace }) => pace);
const rates: [number, () => void][] = [
  [Number(values['shorts-per-s']), beginShort],
  [Number(values['dns-per-s']), beginDns],
];
let all: readonly Steady[] = [];
let begunMs: number | null = null;

/** At their pace: thousands at once would only queue up. */
function beginSome(now: number): void {
  if (begunMs !== null) return;
  const due = Math.ceil(((now - startMs) / 1_000) * Number(values['begin-per-s']));
  for (const { kind, flows } of steady) {
    const want = Math.min(counts[kind], due, flows.length + BEGIN_PER_TICK_MAX);
    while (flows.length < want) flows.push(begin(kind));
  }
  all = steady.flatMap(({ flows }) => flows);
  if (steady.every(({ kind, flows }) => flows.length === counts[kind])) begunMs = nowMs();
}

/** What does not open in time is not waited for. */
function areOpened(now: number): boolean {
  if (begunMs === null) return false;
  return now - begunMs > OPENED_MS_MAX || all.every((flow) => flow.answered);
}

function openedAll(): void {
  tell({ event: 'opened', flows: all.length });
  for (const [perS, what] of rates) if (perS > 0) paces.push(new Pace(1_000 / perS, what));
}

let lastTurnMs = nowMs();
const startMs = lastTurnMs;
const timer = setInterval(() => {
  const now = nowMs();
  if (now - lastTurnMs > OWN_STALL_MS) tell({ event: 'stood', fromMs: lastTurnMs, toMs: now });
  lastTurnMs = now;
  for (const pace of paces) pace.turn(now);
  beginSome(now);
  if (!opened && areOpened(now)) {
    opened = true;
    openedAll();
  }
}, TICK_MS);

async function until(holds: () => boolean, msMax: number): Promise<void> {
  const end = nowMs() + msMax;
  while (!holds() && nowMs() < end) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
}

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  clearInterval(timer);
  await until(() => all.every((flow) => !flow.waits), DRAIN_MS);
  for (const flow of all) flow.leave();
  await until(() => underWay === 0, DRAIN_MS);
  const line = JSON.stringify({ event: 'summary', ok: true, flows: numbers, untold: underWay });
  process.stdout.write(`${line}\n`, () => process.exit(0));
}

process.on('SIGTERM', () => void stop());
process.stdin.on('end', () => void stop()).resume();
