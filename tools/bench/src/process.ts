/** A process per run: its memory and its CPU are the contestant's alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const OUTPUT_MAX = 64_000;
/** Enough for a million objects with timers; V8's own limit depends on the machine. */
const HEAP_MAX_MB = 8_192;

/** How to start it. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const running = new Set<ChildProcess>();

/** Ends what runs; for when we are to end. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export function nodeCommand(name: string): Command {
  const child = fileURLToPath(new URL('./child.ts', import.meta.url));
  const flags = ['--expose-gc', `--max-old-space-size=${HEAP_MAX_MB}`];
  return { program: process.execPath, args: [...flags, child, name] };
}

/**
 * Runs it to its end and resolves with what it wrote to stdout. Rejects with the end of what it
 * wrote to stderr when it fails, and ends it when it takes longer than the limit.
 */
export function runProcess(command: Command, limitMs: number): Promise<string> {
  const { program, args, cwd, env } = command;
  const child = spawn(program, args, {
    cwd,
    env: env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-OUTPUT_MAX);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-OUTPUT_MAX);
  });
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      running.delete(child);
      reject(error);
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (code === 0) {
        resolve(stdout);
        return;
      }
      const isLate = signal === 'SIGKILL' && performance.now() - startMs >= limitMs;
      const end = signal === null ? `exit code ${code}` : `${signal} ${constants.signals[signal]}`;
      const how = isLate ? `took more than ${limitMs / 1_000} s` : `ended with ${end}`;
      reject(new Error(`${how}\n${stderr.trimEnd()}`.trimEnd()));
    });
  });
}
