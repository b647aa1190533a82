// Runs a child to its end. A signal reaches the child exactly once: the child leads a group of its
// own, so that a terminal's Ctrl-C does not reach it directly, and what we get we pass on. We may
// get one Ctrl-C twice (the terminal signals us, and npm passes on what it got): a repetition
// within half a second is the same one; a person who means it again takes longer.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const repetitionMs = 500;

/** Which signals to pass on: a function of signal name and time that drops repetitions. */
export function onceEach(withinMs = repetitionMs) {
  const lastMs = new Map();
  return (signal, nowMs) => {
    const isNew = nowMs - (lastMs.get(signal) ?? Number.NEGATIVE_INFINITY) > withinMs;
    if (isNew) lastMs.set(signal, nowMs);
    return isNew;
  };
}

/**
 * Resolves with the exit code, 128 + number when a signal ended it, 127 when it can't be run.
 * `limitMs` ends what takes longer; `onSignal` hears of every signal that is passed on.
 */
export function runChild(command, args, { cwd, env, stdio, limitMs, onSignal } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: env ?? process.env,
    stdio: stdio ?? 'inherit',
    detached: true,
    timeout: limitMs,
  });
  const isNew = onceEach();
  const handlers = forwarded.map((signal) => {
    const handler = () => {
      if (!isNew(signal, performance.now())) return;
      onSignal?.(signal);
      child.kill(signal);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  return new Promise((resolve) => {
    const end = (code) => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      resolve(code);
    };
    child.on('error', (error) => {
      process.stderr.write(`flowstore: ${command}: ${error.message}\n`);
      end(127);
    });
    child.on('exit', (code, signal) => end(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
