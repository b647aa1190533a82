/**
 * What people run today on two boxes: the kernel's own NAT (nftables), and conntrackd, which tells
 * the other box about each connection (FTFW). In the lab's gateways, over its management link.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, waitFor } from '@flowstore/lab';

const ONE_OUTSIDE = '203.0.113.1';
export const MANY_OUTSIDE = '203.0.113.1-203.0.113.14';
/** What is in a box's favour, and timeouts that are as long as this house's. */
const SYSCTLS = [
  'net.ipv4.ip_forward=1',
  'net.netfilter.nf_conntrack_tcp_loose=1',
  'net.netfilter.nf_conntrack_tcp_be_liberal=1',
  'net.netfilter.nf_conntrack_udp_timeout=300',
  'net.netfilter.nf_conntrack_udp_timeout_stream=300',
].join(' ');

export interface KernelNatOptions {
  readonly gateways: number;
  /**
   * on: what the others tell waits outside of the kernel until somebody commits it, as in an
   * active/backup pair. off: it goes into the kernel at once, as active/active pairs need it.
   */
  readonly externalCache: 'on' | 'off';
  /** An address, or a range of them: one unless told otherwise. */
  readonly outside?: string;
}

export class KernelNat {
  readonly #lab: Lab;
  readonly #folder = mkdtempSync(join(tmpdir(), 'flowstore-conntrackd-'));
  readonly #daemons = new Map<string, ChildProcess>();
  readonly #names: readonly string[];

  constructor(lab: Lab, { gateways }: KernelNatOptions) {
    this.#lab = lab;
    this.#names = Array.from({ length: gateways }, (_, at) => `gw${at + 1}`);
  }

  async start({ externalCache, outside = ONE_OUTSIDE }: KernelNatOptions): Promise<void> {
    for (const name of this.#names) {
      const address = await this.#managementAddress(name);
      const file = join(this.#folder, `${name}.conf`);
      writeFileSync(file, this.#config(name, address, externalCache));
      await this.#run(name, `sysctl -qw ${SYSCTLS}`);
      await this.#run(
        name,
        [
          'nft add table ip nat',
          'nft "add chain ip nat post { type nat hook postrouting priority 100; }"',
          `nft add rule ip nat post ip saddr 198.18.1.0/24 oifname outside snat to ${outside}`,
        ].join(' && '),
      );
      const daemon = this.#lab.spawn(name, 'conntrackd', ['-C', file], { stdio: 'ignore' });
      this.#daemons.set(name, daemon);
    }
    for (const name of this.#names) {
      const answers = () => this.#control(name, '-s').then(({ code }) => code === 0);
      await waitFor(`conntrackd of ${name}`, answers, 10_000, { everyMs: 100 });
    }
  }

  /** The box is gone: its links, and its daemon. */
  async kill(name: string): Promise<void> {
    this.#daemons.get(name)?.kill('SIGKILL');
    for (const link of ['inside', 'outside', 'mgmt'] as const) {
      await this.#lab.link(name, link, 'down');
    }
  }

  /** What primary-backup.sh does on the box that takes over. */
  async takeOver(name: string): Promise<void> {
    for (const option of ['-c', '-f', '-R', '-B']) await this.#control(name, option);
  }

  /** Ends all connections of a gateway: how many per second. */
  async flush(name: string): Promise<number> {
    const { stdout } = await this.#lab.exec(name, 'conntrack', ['-C']);
    const startMs = performance.now();
    await this.#run(name, 'conntrack -F');
    return Math.round((1_000 * Number(stdout)) / (performance.now() - startMs));
  }

  /** Outside endpoints that more than one gateway gave to different inside endpoints. */
  async duplicates(): Promise<number> {
    const owners = new Map<string, Set<string>>();
    for (const name of this.#names) {
      const { stdout } = await this.#lab.exec(name, 'conntrack', ['-L', '-p', 'tcp']);
      for (const line of stdout.split('\n')) {
        const match = /src=(198\.18\.1\.\d+) .*? sport=(\d+) .* dst=(203\S+) .* dport=(\d+)/.exec(
          line,
        );
        if (match === null) continue;
        const [, address, port, outside, outsidePort] = match;
        const key = `${outside}:${outsidePort}`;
        const inside = owners.get(key) ?? new Set();
        owners.set(key, inside.add(`${address}:${port}`));
      }
    }
    return [...owners.values()].filter((inside) => inside.size > 1).length;
  }

  stop(): void {
    for (const daemon of this.#daemons.values()) daemon.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #managementAddress(name: string): Promise<string> {
    const { stdout } = await this.#lab.exec(name, 'ip', ['-4', '-o', 'addr', 'show', 'mgmt']);
    return /inet ([\d.]+)/.exec(stdout)![1]!;
  }

  async #run(name: string, script: string): Promise<void> {
    const { code, stderr } = await this.#lab.exec(name, 'sh', ['-c', script]);
    if (code !== 0) throw new Error(`${name}: ${script}: ${stderr.trim()}`);
  }

  #control(name: string, option: string) {
    return this.#lab.exec(name, 'conntrackd', ['-C', join(this.#folder, `${name}.conf`), option]);
  }

  #config(name: string, address: string, externalCache: 'on' | 'off'): string {
    return `
Sync {
  Mode FTFW {
    DisableExternalCache ${externalCache === 'off' ? 'on' : 'off'}
  }
  Multicast {
    IPv4_address 225.0.0.50
    Group 3780
    IPv4_interface ${address}
    Interface mgmt
    SndSocketBuffer 12582912
    RcvSocketBuffer 12582912
    Checksum on
  }
}
General {
  HashSize 65536
  HashLimit 524288
  Syslog off
  LogFile off
  LockFile ${this.#folder}/${name}.lock
  UNIX { Path ${this.#folder}/${name}.ctl }
  NetlinkBufferSize 8388608
  NetlinkBufferSizeMaxGrowth 33554432
  NetlinkOverrunResync 5
  NetlinkEventsReliable on
  EventIterationLimit 200
  Filter From Kernelspace {
    Protocol Accept { TCP UDP }
    Address Ignore { IPv4_address 127.0.0.1 IPv4_address ${address} }
  }
}
`;
  }
}
