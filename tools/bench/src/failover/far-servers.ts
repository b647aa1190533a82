/**
 * Puts a delay line between the lab's outside router and its servers: a namespace of its own, to
 * which the servers' network moves.
 *
 * ```
 *   gateways -- fs-wan 198.19.250.1 -- .2 fs-delay, delay-line.ts 198.51.100.1 -- server1, server2
 * ```
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ip, ipBatch, serverAddresses } from '@flowstore/lab';

const NAMESPACE = 'fs-delay';
const SERVERS = '198.51.100.0/24';
const SERVERS_ROUTER = '198.51.100.1/24';
const [NEAR, FAR] = ['198.19.250.1', '198.19.250.2'];
const program = new URL('./delay-line.ts', import.meta.url).pathname;

export class FarServers {
  readonly #delayMs: number;
  #line: ChildProcess | undefined;

  /** @param roundTripMs half of it is spent each way */
  constructor(roundTripMs: number) {
    this.#delayMs = roundTripMs / 2;
  }

  /** For `lab.up`, before any program runs. */
  async begin(): Promise<void> {
    await this.#removeNamespace();
    await ipBatch([
      `netns add ${NAMESPACE}`,
      `link add name near netns ${NAMESPACE} type veth peer name far netns fs-wan`,
    ]);
    const quiet = 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6';
    const still = 'echo 0 > /proc/sys/net/ipv4/ip_forward';
    await this.#run('sh', '-c', `${quiet}; ${still}`);
    const moved = [
      ...['server1', 'server2'].map((device) => `link set ${device} netns ${NAMESPACE}`),
      'link del servers',
      `addr add ${NEAR}/30 dev far`,
      'link set far up',
    ];
    await ipBatch(moved, 'fs-wan');
    const router = [
      'link set lo up',
      'link add name servers type bridge',
      ...['server1', 'server2'].map((device) => `link set ${device} master servers up`),
      `addr add ${SERVERS_ROUTER} dev servers`,
      'link set servers up',
      `addr add ${FAR}/30 dev near`,
      'link set near up',
      `route add default via ${NEAR}`,
    ];
    await ipBatch(router, NAMESPACE);
    await ipBatch([`route add ${SERVERS} via ${FAR}`], 'fs-wan');
    // The line drops what has no MAC to go to: the kernel is to know them all.
    for (const neighbour of [NEAR, ...serverAddresses]) {
      await this.#run('ping', '-c', '1', '-W', '5', neighbour);
    }
    await this.#startLine();
  }

  async end(): Promise<void> {
    this.#line?.kill('SIGKILL');
    await this.#removeNamespace();
  }

  async #startLine(): Promise<void> {
    const args = ['netns', 'exec', NAMESPACE, process.execPath, program];
    this.#line = spawn('ip', [...args, 'near', 'servers', String(this.#delayMs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(this.#line.stdout!, 'data');
  }

  /** Fine where it is not there. */
  async #removeNamespace(): Promise<void> {
    await ip(['netns', 'del', NAMESPACE]).catch(() => {});
  }

  async #run(...command: string[]): Promise<void> {
    await ip(['netns', 'exec', NAMESPACE, ...command]);
  }
}
