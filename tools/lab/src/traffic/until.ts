// When a load ends: at SIGTERM or SIGINT, after `seconds`, or, when those are not given, when
// stdin closes, so that a load never outlives whoever started it. Only a pipe or a socket counts
// as stdin here: /dev/null is at its end from the start, and a terminal is nobody's leash.
import { fstatSync } from 'node:fs';

export const secondsMax = 3_600;

function stdinIsLeash(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}

/** Resolves when it is time to stop, saying why. */
export function untilTold(seconds: number | undefined): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve(name));
    setTimeout(() => resolve('time'), Math.min(seconds ?? secondsMax, secondsMax) * 1_000).unref();
    if (seconds === undefined && stdinIsLeash()) {
      process.stdin.on('end', () => resolve('stdin'));
      process.stdin.on('error', () => resolve('stdin'));
      process.stdin.resume();
    }
  });
}
