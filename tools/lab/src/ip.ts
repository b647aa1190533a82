// iproute2, in as few processes as possible: one batch a namespace.
import { spawn } from 'node:child_process';
import { LabError } from './errors.ts';

/** Runs `ip ARGS`, feeding it `lines` (for -batch). Answers stdout, throws complaints. */
export function ip(args: readonly string[], lines: readonly string[] = []): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
    // ip may be gone before it has read everything; what it said then comes with its exit code.
    child.stdin.on('error', () => {});
    child.on('error', (error) => reject(new LabError('LAB_FAILED', `ip: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new LabError('LAB_FAILED', `ip ${args.join(' ')}: ${complaint.trim()}`));
    });
    child.stdin.end(lines.map((line) => `${line}\n`).join(''));
  });
}

/** A batch in the root namespace, or in `namespace`. */
export function ipBatch(lines: readonly string[], namespace?: string): Promise<string> {
  if (lines.length === 0) return Promise.resolve('');
  return ip([...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'], lines);
}

/** Everything that the root namespace has IPv4 addresses in or routes to, the default aside. */
export async function takenPrefixes(ownDevice: string): Promise<string[]> {
  const routes = JSON.parse(
    (await ip(['-json', '-4', 'route', 'show', 'table', 'all'])) || '[]',
  ) as { dst: string; dev?: string }[];
  return routes
    .filter((route) => route.dst !== 'default' && route.dev !== ownDevice)
    .map((route) => route.dst);
}
