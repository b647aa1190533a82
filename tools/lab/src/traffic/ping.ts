// The system's ping (iputils), in the words of the other programs. Without it: skipped, not failed.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Arguments } from './arguments.ts';
import { GapMeter, roundMs } from './gap.ts';
import { parsePingReply } from './ping-reply.ts';
import { finish, report, reportEvery } from './report.ts';
import { secondsMax, untilTold } from './until.ts';

const args = new Arguments(['server', 'interval-ms', 'seconds', 'progress-ms']);
const server = args.text('server', '198.51.100.10');
const intervalMs = args.number('interval-ms', { min: 10, max: 60_000, or: 200 });
const seconds = args.numberIfGiven('seconds', { min: 0.1, max: secondsMax });
const everyMs = args.number('progress-ms', { min: 50, max: 60_000, or: 1_000 });

const countMax = Math.ceil((secondsMax * 1_000) / intervalMs);
let gap: GapMeter | undefined;
let received = 0;
let highest = 0;
let longestRoundTripMs = 0;
let missing = false;

const told = untilTold(seconds);
const child = spawn('ping', ['-n', '-i', `${intervalMs / 1_000}`, '-c', `${countMax}`, server], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
child.on('error', () => {
  missing = true;
});
const ended = new Promise<void>((resolve) => {
  child.on('error', () => resolve());
  child.on('close', () => resolve());
});
child.on('spawn', () => {
  gap = new GapMeter(performance.now());
  report({ event: 'started' });
});
createInterface({ input: child.stdout }).on('line', (line) => {
  const reply = parsePingReply(line);
  if (!reply) return;
  received++;
  highest = Math.max(highest, reply.sequence);
  longestRoundTripMs = Math.max(longestRoundTripMs, reply.roundTripMs);
  gap?.mark(performance.now());
});

const progress = () => ({
  received,
  // Sequence numbers start at 1; what was sent after the last reply is not known yet.
  lost: highest - received,
  longestRoundTripMs,
  longestGapMs: roundMs(gap?.longestMs(performance.now()) ?? 0),
});
const stop = reportEvery(everyMs, progress);
const why = await Promise.race([told, ended.then(() => 'ended')]);
stop();
const last = progress();
child.kill('SIGINT');
await ended;
if (missing) await finish({ skipped: 'ping is not installed (iputils-ping)' }, true);
await finish({ why, ...last }, received > 0);
