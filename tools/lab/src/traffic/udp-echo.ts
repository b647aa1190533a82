// Numbered datagrams to the UDP echo, from one socket (or a few): what came back, what didn't,
// and the longest silence. Losing some is UDP's right; getting somebody else's is not.
import { createSocket, type Socket } from 'node:dgram';
import { waitFor } from '../wait.ts';
import { Arguments } from './arguments.ts';
import { GapMeter, roundMs } from './gap.ts';
import { decodePayload, encodePayload, newRun } from './payload.ts';
import { finish, report, reportEvery } from './report.ts';
import { secondsMax, untilTold } from './until.ts';

const flowsMax = 10_000;

const args = new Arguments([
  'flows',
  'interval-ms',
  'server',
  'port',
  'seconds',
  'drain-ms',
  'progress-ms',
]);
const flowCount = Math.floor(args.number('flows', { min: 1, max: flowsMax, or: 1 }));
const intervalMs = args.number('interval-ms', { min: 1, max: 600_000, or: 50 });
const drainMs = args.number('drain-ms', { min: 0, max: 60_000, or: 1_000 });
const seconds = args.numberIfGiven('seconds', { min: 0.1, max: secondsMax });
const everyMs = args.number('progress-ms', { min: 50, max: 60_000, or: 1_000 });
const server = args.text('server', '198.51.100.10');
const port = args.number('port', { min: 1, max: 65_535, or: 7_001 });

const run = newRun();
const counts = { sent: 0, received: 0, duplicates: 0, misdelivered: 0, sendErrors: 0 };

class Flow {
  readonly #socket: Socket;
  readonly #id: number;
  readonly #unanswered = new Set<number>();
  gap: GapMeter | undefined;
  #sequence = 0;

  constructor(id: number) {
    this.#id = id;
    this.#socket = createSocket('udp4');
    this.#socket.on('error', () => counts.sendErrors++);
    this.#socket.on('message', (data) => this.#hear(data.toString('latin1')));
  }

  get unanswered(): number {
    return this.#unanswered.size;
  }

  send(): void {
    const sequence = this.#sequence++;
    this.gap ??= new GapMeter(performance.now());
    this.#unanswered.add(sequence);
    counts.sent++;
    const payload = encodePayload({ run, connection: this.#id, sequence });
    this.#socket.send(payload, port, server, (error) => {
      if (error) counts.sendErrors++;
    });
  }

  #hear(text: string): void {
    const heard = decodePayload(text);
    if (heard?.run !== run || heard.connection !== this.#id || heard.sequence >= this.#sequence) {
      counts.misdelivered++;
    } else if (this.#unanswered.delete(heard.sequence)) {
      counts.received++;
      this.gap?.mark(performance.now());
    } else {
      counts.duplicates++;
    }
  }
}

const flows = Array.from({ length: flowCount }, (_, id) => new Flow(id));
// Once nothing is sent any more, silence is no gap: a lost datagram's echo never comes.
let stoppedMs: number | undefined;
const progress = () => {
  const nowMs = stoppedMs ?? performance.now();
  const longestGapMs = roundMs(Math.max(...flows.map((flow) => flow.gap?.longestMs(nowMs) ?? 0)));
  return { flows: flowCount, ...counts, lost: counts.sent - counts.received, longestGapMs };
};

const told = untilTold(seconds);
report({ event: 'started', flows: flowCount });
const stop = reportEvery(everyMs, progress);
const timer = setInterval(() => {
  for (const flow of flows) flow.send();
}, intervalMs);
const why = await told;
clearInterval(timer);
stoppedMs = performance.now();
const answered = () => flows.every((flow) => flow.unanswered === 0);
await waitFor('the last echoes', answered, drainMs).catch(() => {});
stop();
await finish({ why, ...progress() }, counts.received > 0 && counts.misdelivered === 0);
