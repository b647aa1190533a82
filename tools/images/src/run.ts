/** Runs a program to its end; answers its stdout, throws what it complained of. */
import { spawn } from 'node:child_process';

const COMPLAINT_CHARS_MAX = 8_192;

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly limitMs?: number;
}

export function run(
  program: string,
  args: readonly string[],
  { cwd, stdin = '', env = process.env, limitMs = 600_000 }: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env, timeout: limitMs } as const;
    const child = spawn(program, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => {
      complaint = (complaint + text).slice(-COMPLAINT_CHARS_MAX);
    });
    // It may be gone before it has read everything; what it said then comes with its exit code.
    child.stdin.on('error', () => {});
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(out);
      const end = signal === null ? `exit code ${code}` : signal;
      reject(new Error(`${program} ${args.join(' ')} (${end}):\n${complaint.trimEnd()}`));
    });
    child.stdin.end(stdin);
  });
}
