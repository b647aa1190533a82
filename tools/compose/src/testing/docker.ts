/** The docker command, for what testcontainers has no word for: kill, pause, disconnect, scale. */
import { execFile, spawnSync } from 'node:child_process';

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const LIMIT_MS = 300_000;

export interface Result {
  readonly code: number;
  readonly out: string;
  readonly said: string;
}

/** Runs it to its end, whatever that is. */
export function dockerResult(args: readonly string[], env = process.env): Promise<Result> {
  return new Promise((resolve) => {
    const options = { env, timeout: LIMIT_MS, maxBuffer: OUTPUT_BYTES_MAX };
    execFile('docker', args, options, (error, out, said) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      resolve({ code: Number.isInteger(code) ? code : 1, out, said });
    });
  });
}

/** Its stdout; throws what it complained of. */
export async function docker(args: readonly string[], env = process.env): Promise<string> {
  const { code, out, said } = await dockerResult(args, env);
  if (code === 0) return out;
  throw new Error(`docker ${args.join(' ')} (exit code ${code}):\n${said.slice(-4_000)}`);
}

/** Of a list: ids, names. */
export const linesOf = (text: string) => text.split('\n').filter(Boolean);

/** Why no containers can be run here; undefined where they can. */
export function composeSkipReason(): string | undefined {
  const answers = (...args: string[]) =>
    spawnSync('docker', args, { stdio: 'ignore', timeout: 20_000 }).status === 0;
  if (!answers('version')) return 'no Docker engine answers: npm run test:compose starts one';
  return answers('compose', 'version') ? undefined : 'docker has no compose plug-in (version 2)';
}
