/**
 * Puts a delay line between the lab's outside router and its servers: a namespace of its own, to
 * which the servers' network moves.
 *
 * ```
 *   gateways -- fs-wan 198.19.250.1 -- .2 fs-delay, delay-line.ts 198.51.100.1 -- server1, server2
 * ```
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { serverAddresses } from '@flowstore/lab';

const NAMESPACE = 'fs-delay';
const SERVERS = '198.51.100.0/24';
const SERVERS_ROUTER = '198.51.100.1/24';
const [NEAR, FAR] = ['198.19.250.1', '198.19.250.2'];
const program = new URL('./delay-line.ts', import.meta.url).pathname;

const ip = (namespace: string | null, ...lines: string[]) => {
  const where = namespace === null ? [] : ['-n', namespace];
  execFileSync('ip', [...where, '-batch', '-'], { input: `${lines.join('\n')}\n` });
};

export class FarServers {
  readonly #delayMs: number;
  #line: ChildProcess | undefined;

  /** @param roundTripMs half of it is spent each way */
  constructor(roundTripMs: number) {
    this.#delayMs = roundTripMs / 2;
  }

  /** For `lab.up`, before any program runs. */
  async begin(): Promise<void> {
    this.#removeNamespace();
    ip(
      null,
      `netns add ${NAMESPACE}`,
      `link add name near netns ${NAMESPACE} type veth peer name far netns fs-wan`,
    );
    const quiet = 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6';
    const still = 'echo 0 > /proc/sys/net/ipv4/ip_forward';
    execFileSync('ip', ['netns', 'exec', NAMESPACE, 'sh', '-c', `${quiet}; ${still}`]);
    ip(
      'fs-wan',
      ...['server1', 'server2'].map((device) => `link set ${device} netns ${NAMESPACE}`),
      'link del servers',
      `addr add ${NEAR}/30 dev far`,
      'link set far up',
    );
    ip(
      NAMESPACE,
      'link set lo up',
      'link add name servers type bridge',
      ...['server1', 'server2'].map((device) => `link set ${device} master servers up`),
      `addr add ${SERVERS_ROUTER} dev servers`,
      'link set servers up',
      `addr add ${FAR}/30 dev near`,
      'link set near up',
      `route add default via ${NEAR}`,
    );
    ip('fs-wan', `route add ${SERVERS} via ${FAR}`);
    // The line drops what has no MAC to go to: the kernel is to know them all.
    for (const neighbour of [NEAR, ...serverAddresses]) {
      const ping = ['ping', '-c', '1', '-W', '5', neighbour];
      execFileSync('ip', ['netns', 'exec', NAMESPACE, ...ping], { stdio: 'ignore' });
    }
    await this.#startLine();
  }

  end(): void {
    this.#line?.kill('SIGKILL');
    this.#removeNamespace();
  }

  async #startLine(): Promise<void> {
    const args = ['netns', 'exec', NAMESPACE, process.execPath, program];
    this.#line = spawn('ip', [...args, 'near', 'servers', String(this.#delayMs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(this.#line.stdout!, 'data');
  }

  #removeNamespace(): void {
    try {
      execFileSync('ip', ['netns', 'del', NAMESPACE], { stdio: 'ignore' });
    } catch {
      // It was not there.
    }
  }
}
