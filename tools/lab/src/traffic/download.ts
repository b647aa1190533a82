// One paced HTTP download over one connection, checked against what the body must be: the digest
// is computed here from seed and length, not only read from the header.
import { createHash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { Arguments } from './arguments.ts';
import { GapMeter, roundMs } from './gap.ts';
import { bodyBytesMax, patternDigest } from './pattern.ts';
import { finish, report, reportEvery } from './report.ts';
import { secondsMax, untilTold } from './until.ts';

const connectTimeoutMs = 10_000;

const args = new Arguments(['server', 'port', 'bytes', 'seconds', 'seed', 'limit', 'progress-ms']);
const bytes = Math.floor(args.number('bytes', { min: 0, max: bodyBytesMax, or: 20_000_000 }));
const seconds = args.number('seconds', { min: 0, max: secondsMax, or: 20 });
const seed = args.text('seed', 'flowstore');
// The server's pace is the plan; this is when we give up on it.
const limit = args.number('limit', { min: 0.1, max: secondsMax, or: seconds + 60 });
const everyMs = args.number('progress-ms', { min: 50, max: 60_000, or: 1_000 });
const port = args.number('port', { min: 1, max: 65_535, or: 8_080 });
const server = args.text('server', '198.51.100.10');

let received = 0;
let localPort = 0;
let gap = new GapMeter(performance.now());
const progress = () => ({
  bytes: received,
  of: bytes,
  localPort,
  longestGapMs: roundMs(gap.longestMs(performance.now())),
});

async function readBody(reply: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  gap = new GapMeter(performance.now());
  reply.on('data', (chunk: Buffer) => {
    received += chunk.length;
    hash.update(chunk);
    gap.mark(performance.now());
  });
  await new Promise<void>((resolve, reject) => {
    reply.on('end', resolve);
    reply.on('error', reject);
    reply.on('close', () => reject(new Error('the connection ended early')));
  });
  return hash.digest('hex');
}

async function download(): Promise<{ sha256: string; announced: string }> {
  const query = new URLSearchParams({ bytes: `${bytes}`, seconds: `${seconds}`, seed });
  const url = `http://${server}:${port}/?${query}`;
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    let answered = false;
    const request = get(url, { agent: false }, (answer) => {
      answered = true;
      resolve(answer);
    });
    request.setTimeout(connectTimeoutMs, () => {
      // Silence is fatal only before the answer; later it is what we measure.
      if (!answered) request.destroy(new Error('no answer'));
    });
    request.on('socket', (socket) =>
      socket.on('connect', () => {
        localPort = socket.localPort ?? 0;
        report({ event: 'connected', localPort });
      }),
    );
    request.on('error', reject);
  });
  if (reply.statusCode !== 200) throw new Error(`the server answered ${reply.statusCode}`);
  const sha256 = await readBody(reply);
  return { sha256, announced: String(reply.headers['x-sha256']) };
}

const expected = await patternDigest(seed, bytes);
const stop = reportEvery(everyMs, progress);
const start = performance.now();
const outcome = await Promise.race([
  download().catch((error: Error) => ({ error: error.message })),
  untilTold(limit).then((why) => ({ error: `ended early: ${why}` })),
]);
stop();
const ok = 'sha256' in outcome && outcome.sha256 === expected && outcome.announced === expected;
await finish(
  { ...progress(), ...outcome, expected, tookMs: roundMs(performance.now() - start) },
  ok,
);
