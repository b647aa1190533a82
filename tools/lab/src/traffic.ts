// A traffic program running in a namespace, as seen from outside: a stream of JSON lines.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { LabError } from './errors.ts';
import { waitFor } from './wait.ts';

export type TrafficProgram =
  | 'server'
  | 'trickle'
  | 'download'
  | 'udp-echo'
  | 'ping'
  | 'stun-server'
  | 'nat-behaviour';
export type TrafficEvent = { event: string; [key: string]: unknown };

const complaintCharsMax = 8_192;

/** `latest` holds the newest line of each kind of event; `done` settles when the program ended. */
export class Traffic {
  readonly child: ChildProcess;
  readonly latest = new Map<string, TrafficEvent>();
  /** The exit code; 128 + the signal's number is not made up here: a signal counts as 1. */
  readonly done: Promise<number>;
  readonly #program: string;
  #complaint = '';
  #ended = false;

  constructor(program: string, child: ChildProcess, onEvent?: (event: TrafficEvent) => void) {
    this.#program = program;
    this.child = child;
    if (!child.stdout || !child.stderr) throw new TypeError('a traffic program needs pipes');
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      const event = parseEvent(line);
      if (!event) return;
      this.latest.set(event.event, event);
      onEvent?.(event);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#complaint = (this.#complaint + text).slice(-complaintCharsMax);
    });
    child.stdin?.on('error', () => {});
    this.done = new Promise((resolve) => {
      child.on('error', (error) => {
        this.#complaint += error.message;
        this.#ended = true;
        resolve(1);
      });
      // The exit may be told before the last lines were read.
      const closed = new Promise((then) => lines.on('close', then));
      child.on('close', async (code) => {
        await closed;
        this.#ended = true;
        resolve(code ?? 1);
      });
    });
  }

  /** Waits for an event of this kind; throws what the program complained of when it ends first. */
  waitFor(event: string, timeoutMs: number): Promise<TrafficEvent> {
    return waitFor(
      `${this.#program} to report ${event}`,
      () => {
        const seen = this.latest.get(event);
        if (!seen && this.#ended) throw this.#failure(`ended without reporting ${event}`);
        return seen;
      },
      timeoutMs,
    );
  }

  /** Lets it run to its own end and answers its summary. */
  async summary(timeoutMs: number): Promise<TrafficEvent> {
    const summary = await this.waitFor('summary', timeoutMs);
    await this.done;
    return summary;
  }

  /** Tells it to stop (its stdin ends, SIGTERM) and answers its summary. */
  async stop(timeoutMs = 15_000): Promise<TrafficEvent> {
    this.child.stdin?.end();
    if (!this.#ended) this.child.kill('SIGTERM');
    return this.summary(timeoutMs);
  }

  #failure(what: string): LabError {
    return new LabError('LAB_FAILED', `${this.#program} ${what}: ${this.#complaint.trim()}`);
  }
}

function parseEvent(line: string): TrafficEvent | undefined {
  try {
    const value = JSON.parse(line) as TrafficEvent;
    return typeof value?.event === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
