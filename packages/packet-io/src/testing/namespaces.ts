/**
 * Network namespaces for tests: made here, named `fspio-..`, removed by close(). Nothing of the
 * machine's own network is touched; addresses are from the documentation and benchmark ranges.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nativeSupported } from '../native.ts';

/** Why tests with namespaces can't run here; undefined when they can. */
export function whyNoNamespaces(): string | undefined {
  if (!nativeSupported()) return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  const probe = `fspio-${process.pid}-probe`;
  try {
    execFileSync('ip', ['netns', 'add', probe], { stdio: 'pipe' });
    execFileSync('ip', ['netns', 'del', probe], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `needs network namespaces: ${(error as Error).message}`;
  }
}

/**
 * Two hosts with a box between them that forwards nothing by itself:
 *
 * ```
 *   host a  a0 198.18.0.2 ---- 198.18.0.1 r0  box r  r1 198.19.0.1 ---- 198.19.0.2 b0  host b
 * ```
 */
export class TestNetwork {
  private static made = 0;
  private readonly prefix = `fspio-${process.pid}-${TestNetwork.made++}`;
  private readonly names: string[] = [];
  private readonly programs: Program[] = [];

  constructor() {
    removeLeftovers();
    try {
      for (const node of ['a', 'r', 'b']) {
        this.names.push(node);
        ip('netns', 'add', this.name(node));
        this.ip(node, 'link', 'set', 'lo', 'up');
        this.sysctl(node, 'net.ipv6.conf.all.disable_ipv6', '1');
        this.sysctl(node, 'net.ipv6.conf.default.disable_ipv6', '1');
      }
      this.sysctl('r', 'net.ipv4.ip_forward', '0');
      this.connect('a', 'a0', '198.18.0.2/24', 'r0', '198.18.0.1/24');
      this.connect('b', 'b0', '198.19.0.2/24', 'r1', '198.19.0.1/24');
      this.ip('a', 'route', 'add', 'default', 'via', '198.18.0.1');
      this.ip('b', 'route', 'add', 'default', 'via', '198.19.0.1');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The namespace of a node, for `ip netns exec`. */
  name(node: string): string {
    return `${this.prefix}-${node}`;
  }

  ip(node: string, ...args: string[]): string {
    return ip('-n', this.name(node), ...args);
  }

  /** Many commands at once, a line each. */
  ipBatch(node: string, commands: string): void {
    const args = ['-n', this.name(node), '-batch', '-'];
    execFileSync('ip', args, { input: commands, stdio: 'pipe' });
  }

  tc(node: string, ...args: string[]): void {
    execFileSync('tc', ['-n', this.name(node), ...args], { stdio: 'pipe' });
  }

  mac(node: string, link: string): string {
    return /link\/ether ([0-9a-f:]{17})/.exec(this.ip(node, 'link', 'show', link))![1];
  }

  /** Starts a TypeScript program of testing/ on a node. */
  start(node: string, program: string, ...args: string[]): Program {
    const file = fileURLToPath(new URL(program, import.meta.url));
    const started = new Program(`${program} on ${node}`, 'ip', [
      ...['netns', 'exec', this.name(node), process.execPath, file],
      ...args,
    ]);
    this.programs.push(started);
    return started;
  }

  close(): void {
    for (const program of this.programs) program.kill();
    for (const node of this.names) {
      try {
        ip('netns', 'del', this.name(node));
      } catch {
        // It was never made, or the machine is going down: there is nothing left to remove.
      }
    }
    this.names.length = 0;
  }

  private connect(node: string, near: string, nearIp: string, far: string, farIp: string): void {
    const peer = ['peer', 'name', near, 'netns', this.name(node)];
    this.ip('r', 'link', 'add', far, 'type', 'veth', ...peer);
    this.ip(node, 'address', 'add', nearIp, 'dev', near);
    this.ip('r', 'address', 'add', farIp, 'dev', far);
    this.ip(node, 'link', 'set', near, 'up');
    this.ip('r', 'link', 'set', far, 'up');
  }

  private sysctl(node: string, key: string, value: string): void {
    const path = `/proc/sys/${key.replaceAll('.', '/')}`;
    const exec = ['netns', 'exec', this.name(node), 'sh', '-c', `echo ${value} > ${path}`];
    ip(...exec);
  }
}

/** What a killed test run could not remove: namespaces of ours whose process is gone. */
function removeLeftovers(): void {
  for (const line of ip('netns', 'list').split('\n')) {
    const [name, pid] = /^fspio-(\d+)-\S+/.exec(line) ?? [];
    if (name === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      ip('netns', 'del', name);
    } catch {
      // Another test run was faster.
    }
  }
}

/** A child process that takes commands by line and answers in JSON by line. */
export class Program {
  private readonly child: ChildProcess;
  private readonly lines: Interface;
  private readonly answers: string[] = [];
  private readonly what: string;
  private errors = '';
  private ended: string | undefined;
  private wake: () => void = () => {};

  constructor(what: string, command: string, args: string[]) {
    this.what = what;
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr!.on('data', (chunk) => {
      this.errors += chunk;
    });
    this.child.stdin!.on('error', () => {});
    this.lines = createInterface({ input: this.child.stdout! });
    this.lines.on('line', (line) => {
      this.answers.push(line);
      this.wake();
    });
    this.child.on('close', (code, signal) => {
      this.ended = `${code ?? signal}`;
      this.wake();
    });
  }

  tell(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** The next answer; fails when the program ends first or takes too long. */
  async answer<T>(timeoutMs = 15_000): Promise<T> {
    const timeout = AbortSignal.timeout(timeoutMs);
    while (this.answers.length === 0) {
      if (this.ended !== undefined) throw new Error(`${this.what}: ${this.ended} ${this.errors}`);
      if (timeout.aborted) throw new Error(`${this.what}: no answer. ${this.errors}`);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        timeout.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    return JSON.parse(this.answers.shift()!) as T;
  }

  async ask<T>(line: string, timeoutMs?: number): Promise<T> {
    this.tell(line);
    return this.answer<T>(timeoutMs);
  }

  kill(): void {
    // `ip netns exec` replaces itself by the program: this pid is the program's own.
    if (this.ended === undefined) this.child.kill('SIGKILL');
  }
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
