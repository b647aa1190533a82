/**
 * When packets reached a gateway, and when they left it: two captures, on the router's end of its
 * inside link and of its outside link, joined by what the payloads say (tools/chaos, words.ts).
 *
 * ```
 *   fs-lan, device gwK: "chaos flow 7 ..." --> gateway --> fs-wan, device gwK: "chaos flow 7 ..."
 * ```
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import type { Lab } from '@flowstore/lab';

const SNAP_BYTES = 192;
const HEADER_BYTES = 24;
const RECORD_BYTES = 16;
const NANOSECONDS = 0xa1b23c4d;

/** By "flow number": the first time, in ms of the machine's clock. */
export type Sightings = ReadonlyMap<string, number>;

/** Reads a capture file of pcap's classic form, of this machine's byte order. */
export function readSightings(bytes: Buffer): Sightings {
  const sightings = new Map<string, number>();
  const perMs = bytes.readUInt32LE(0) === NANOSECONDS ? 1e6 : 1e3;
  for (let at = HEADER_BYTES; at + RECORD_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8);
    const text = bytes.toString('latin1', at + RECORD_BYTES, at + RECORD_BYTES + length);
    const match = /chaos (\S+ \d+) 198\.18\./.exec(text);
    if (match !== null && !sightings.has(match[1]!)) {
      const ms = bytes.readUInt32LE(at) * 1e3 + bytes.readUInt32LE(at + 4) / perMs;
      sightings.set(match[1]!, ms);
    }
    at += RECORD_BYTES + length;
  }
  return sightings;
}

export class Capture {
  readonly #child: ChildProcess;
  readonly #file: string;

  private constructor(child: ChildProcess, file: string) {
    this.#child = child;
    this.#file = file;
  }

  static async start(lab: Lab, router: 'lan' | 'wan', device: string, folder: string) {
    const file = `${folder}/${router}-${device}.pcap`;
    const options = ['-i', device, '-s', String(SNAP_BYTES), '-B', '16384', '-w', file, '-U'];
    const filter = ['tcp and dst port 7100'];
    const child = lab.spawn(`fs-${router}`, 'tcpdump', [...options, ...filter], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await once(child.stderr!, 'data');
    child.stderr?.resume();
    return new Capture(child, file);
  }

  async stop(): Promise<Sightings> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await ended;
    const bytes = readFileSync(this.#file);
    rmSync(this.#file);
    return readSightings(bytes);
  }
}

/**
 * Of each flow that came to a gateway only after `fromMs`: how long its first packet took through
 * it, Infinity where it never left.
 */
export function takeOverMs(arrived: Sightings, left: Sightings, fromMs: number): number[] {
  const first = new Map<string, { key: string; ms: number }>();
  const before = new Set<string>();
  for (const [key, ms] of arrived) {
    const flow = key.slice(0, key.indexOf(' '));
    if (ms < fromMs) before.add(flow);
    const known = first.get(flow);
    if (known === undefined || ms < known.ms) first.set(flow, { key, ms });
  }
  return [...first]
    .filter(([flow]) => !before.has(flow))
    .map(([, { key, ms }]) => (left.get(key) ?? Infinity) - ms);
}
