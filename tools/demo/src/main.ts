/** `npm run demo`: kill the gateway that carries your download, and see that nothing notices. */
import { runLabDemo } from './lab-demo.ts';
import { runMemoryDemo } from './memory/demo.ts';
import { reportLines } from './report.ts';

const say = (line: string) => process.stdout.write(`${line}\n`);

/** As root on Linux the lab must come up: what keeps it from that is a failure, not a way out. */
const hasLab = process.platform === 'linux' && process.getuid?.() === 0;

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!abort.signal.aborted) say('demo: interrupted, cleaning up');
    abort.abort(new Error(`interrupted by ${signal}`));
  });
}

try {
  if (!hasLab) {
    const why = process.platform === 'linux' ? 'not root' : `no Linux but ${process.platform}`;
    say(`demo: ${why}, so no network namespaces: the same gateways run over an in-memory wire`);
  }
  const run = hasLab ? runLabDemo : runMemoryDemo;
  const result = await run({ say, signal: abort.signal });
  say('');
  for (const line of reportLines(result)) say(line);
  process.exitCode = result.failures.length === 0 ? 0 : 1;
} catch (error) {
  if (abort.signal.aborted) process.exitCode = 130;
  else {
    say(`demo: FAILED: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
