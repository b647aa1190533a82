/** UDP echo and ping: a small question every so often, without anybody to repeat a lost one. */
import { UDP } from '@flowstore/flow';
import type { TrafficResult } from '../result.ts';
import { GAP_MAX_MS, Gap } from './gap.ts';
import type { Host } from './host.ts';

const UDP_PORT = 7_000;
/** Beyond it the last question counts as lost, and the flow with it. */
const ANSWER_MAX_MS = 1_000;

export interface ProbeOptions {
  readonly client: Host;
  readonly server: Host;
  readonly everyMs: number;
  readonly nowMs: number;
}

/** One flow of questions. */
abstract class Probe {
  readonly gap: Gap;
  asked = 0;
  answered = 0;
  wrong = 0;
  lastAskedMs = 0;
  #lastAnswered = -1;
  readonly #everyMs: number;
  #askAtMs: number;

  constructor({ everyMs, nowMs }: ProbeOptions) {
    this.gap = new Gap(nowMs);
    this.#everyMs = everyMs;
    this.#askAtMs = nowMs;
  }

  protected abstract ask(sequence: number): void;

  step(nowMs: number): void {
    if (nowMs < this.#askAtMs) return;
    this.#askAtMs = nowMs + this.#everyMs;
    this.lastAskedMs = nowMs;
    this.ask(this.asked++);
  }

  /** Whether the last question has its answer. */
  get isSettled(): boolean {
    return this.asked > 0 && this.#lastAnswered === this.asked - 1;
  }

  protected take(isRight: boolean, sequence: number, nowMs: number): void {
    if (!isRight) {
      this.wrong++;
      return;
    }
    this.answered++;
    this.#lastAnswered = Math.max(this.#lastAnswered, sequence);
    this.gap.answered(nowMs);
  }
}

export class UdpProbe extends Probe {
  readonly #options: ProbeOptions & { readonly clock: () => number };
  readonly #port: number;

  constructor(options: ProbeOptions & { readonly clock: () => number }) {
    super(options);
    this.#options = options;
    const { client, server, clock } = options;
    this.#port = client.newPort();
    client.onDatagram(this.#port, (payload) => {
      const [port, sequence = -1] = new TextDecoder().decode(payload).split(' ').map(Number);
      this.take(port === this.#port && sequence < this.asked, sequence, clock());
    });
    server.onDatagram(UDP_PORT, (payload, tuple) => server.sendDatagram(tuple, payload));
  }

  protected override ask(sequence: number): void {
    const { client, server } = this.#options;
    const ends = { source: client.address, sourcePort: this.#port, destination: server.address };
    const tuple = { protocol: UDP, ...ends, destinationPort: UDP_PORT };
    client.sendDatagram(tuple, new TextEncoder().encode(`${this.#port} ${sequence}`));
  }
}

export class PingProbe extends Probe {
  readonly #options: ProbeOptions & { readonly clock: () => number };
  readonly #identifier: number;

  constructor(options: ProbeOptions & { readonly clock: () => number }) {
    super(options);
    this.#options = options;
    const { client, clock } = options;
    this.#identifier = client.newPort();
    client.onEchoReply(this.#identifier, (sequence, payload) => {
      const isRight = new TextDecoder().decode(payload) === this.#text(sequence);
      this.take(isRight && sequence < this.asked, sequence, clock());
    });
  }

  protected override ask(sequence: number): void {
    const { client, server } = this.#options;
    const payload = new TextEncoder().encode(this.#text(sequence));
    client.ping(server.address, this.#identifier, sequence, payload);
  }

  #text(sequence: number): string {
    return `${this.#identifier} ${sequence}`;
  }
}

/** The probes of one kind. */
export class Probes {
  readonly #name: string;
  readonly #probes: readonly Probe[];
  #sending = true;

  constructor(name: string, probes: readonly Probe[]) {
    this.#name = name;
    this.#probes = probes;
  }

  get counts(): string {
    const sum = (of: (probe: Probe) => number) => this.#probes.reduce((n, p) => n + of(p), 0);
    return `${sum((probe) => probe.answered)}/${sum((probe) => probe.asked)}`;
  }

  step(nowMs: number): number {
    if (this.#sending) for (const probe of this.#probes) probe.step(nowMs);
    return 0;
  }

  stop(): void {
    this.#sending = false;
  }

  isSettled(nowMs: number): boolean {
    return this.#probes.every(
      (probe) => probe.isSettled || nowMs > probe.lastAskedMs + ANSWER_MAX_MS,
    );
  }

  result(): TrafficResult {
    const opened = this.#probes.filter(({ answered }) => answered > 0);
    return {
      name: this.#name,
      opened: opened.length,
      survived: opened.filter((probe) => failureOf(probe) === null).length,
      reset: 0,
      longestGapMs: Math.round(Math.max(0, ...this.#probes.map(({ gap }) => gap.longestMs))),
      note: `${this.counts} answered`,
    };
  }

  failures(): string[] {
    return this.#probes.flatMap((probe, k) => {
      const failure = failureOf(probe);
      return failure === null ? [] : [`${this.#name} of client ${k + 1}: ${failure}`];
    });
  }
}

function failureOf(probe: Probe): string | null {
  const { wrong, answered, gap } = probe;
  if (wrong > 0) return `${wrong} answers were somebody else's`;
  if (answered === 0) return 'no question was ever answered';
  if (!probe.isSettled) return `the last of ${probe.asked} questions was not answered`;
  if (gap.longestMs > GAP_MAX_MS) return `${Math.round(gap.longestMs)} ms without an answer`;
  return null;
}
