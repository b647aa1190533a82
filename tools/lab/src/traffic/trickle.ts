// N TCP connections that each say something small now and then, and check that exactly this comes
// back. Opens them all, keeps them until told to stop, then says how each fared.
import { waitFor } from '../wait.ts';
import { Arguments } from './arguments.ts';
import { newRun } from './payload.ts';
import { finish, report, reportEvery } from './report.ts';
import { TrickleConnection } from './trickle-connection.ts';
import { summarize } from './trickle-summary.ts';
import { secondsMax, untilTold } from './until.ts';

const connectionsMax = 20_000;
const openingMax = 64;
const openTimeoutMs = 10_000;

async function openAll(connections: readonly TrickleConnection[]): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < connections.length) await connections[next++]?.open(openTimeoutMs);
  };
  await Promise.all(Array.from({ length: openingMax }, worker));
}

// One timer for all: each connection's turn comes once an interval, spread evenly over it.
function keepSending(connections: readonly TrickleConnection[], intervalMs: number): () => void {
  const start = performance.now();
  let turns = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - start) / intervalMs) * connections.length);
    // After a stall of our own, at most one round is made up for.
    turns = Math.max(turns, due - connections.length);
    for (; turns < due; turns++) connections[turns % connections.length]?.send(performance.now());
  }, 5);
  return () => clearInterval(timer);
}

async function main(): Promise<void> {
  const args = new Arguments([
    'connections',
    'interval-ms',
    'server',
    'port',
    'sources',
    'seconds',
    'drain-ms',
    'progress-ms',
  ]);
  const count = args.number('connections', { min: 1, max: connectionsMax, or: 200 });
  const intervalMs = args.number('interval-ms', { min: 10, max: 600_000, or: 200 });
  const drainMs = args.number('drain-ms', { min: 0, max: 60_000, or: 5_000 });
  const seconds = args.numberIfGiven('seconds', { min: 0.1, max: secondsMax });
  const everyMs = args.number('progress-ms', { min: 50, max: 60_000, or: 1_000 });
  const sources = args.text('sources', '').split(',').filter(Boolean);
  const target = {
    host: args.text('server', '198.51.100.10'),
    port: args.number('port', { min: 1, max: 65_535, or: 7_000 }),
  };
  const told = untilTold(seconds);
  const run = newRun();
  const connections = Array.from({ length: Math.floor(count) }, (_, id) => {
    const source = sources.length > 0 ? sources[id % sources.length] : undefined;
    return new TrickleConnection({ ...target, run, id, ...(source ? { source } : {}) });
  });
  const stopReports = reportEvery(everyMs, () => summarize(connections, performance.now()));
  await openAll(connections);
  report({ event: 'opened', ...summarize(connections, performance.now()) });
  const stopSending = keepSending(connections, intervalMs);
  const why = await told;
  stopSending();
  // What is on its way may still arrive: survived means that the last word was echoed, too.
  const answered = () => !connections.some((each) => each.awaitsEcho);
  await waitFor('the last echoes', answered, drainMs).catch(() => {});
  stopReports();
  const nowMs = performance.now();
  const summary = summarize(connections, nowMs);
  const gapsMs = connections.map((each) => Math.round(each.longestGapMs(nowMs)));
  const ok = summary.survived === connections.length && summary.misdelivered === 0;
  await finish({ why, ...summary, gapsMs }, ok);
}

await main();
