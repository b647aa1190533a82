/**
 * The tester of RFC 9693: an initiator among the clients, a responder among the servers. Neither
 * host's kernel answers for them.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientAddresses, type Lab, serverAddresses } from '@flowstore/lab';
import { MORE_ADDRESSES, type Order, PORT, type Range, type Role } from './words.ts';

const program = new URL('./half.ts', import.meta.url).pathname;
const HOSTS = {
  initiator: ['client1', clientAddresses[0], serverAddresses[0], '198.18.1.1'],
  responder: ['server1', serverAddresses[0], clientAddresses[0], '198.51.100.1'],
} as const;
/** The last packets' way, also through a gateway that has a queue. */
const SETTLE_MS_MAX = 3_000;
const SETTLE_POLL_MS = 100;

class Half {
  readonly #child: ChildProcess;
  readonly #answers: Interface;
  readonly #gone: Promise<never>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout! });
    this.#gone = once(child, 'close').then(() => {
      throw new Error('a half of the tester ended');
    });
    // Who waits for an answer hears of it.
    this.#gone.catch(() => {});
  }

  static async start(lab: Lab, role: Role): Promise<Half> {
    const [host, address, peer, router] = HOSTS[role];
    await run(lab, host, 'ping', ['-c', '1', '-W', '5', router]);
    if (role === 'initiator') {
      for (const more of MORE_ADDRESSES) {
        await run(lab, host, 'ip', ['addr', 'add', `${more}/32`, 'dev', 'eth0']);
      }
    }
    // Or it would tell that nobody listens there.
    await run(lab, host, 'sh', [
      '-c',
      [
        'nft add table ip tester',
        'nft "add chain ip tester in { type filter hook input priority 0; }"',
        `nft add rule ip tester in udp ${role === 'responder' ? 'dport' : 'sport'} ${PORT} drop`,
      ].join(' && '),
    ]);
    const args = [program, role, address, peer, router];
    const half = new Half(
      lab.spawn(host, process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await half.#answer();
    return half;
  }

  order(order: Order): Promise<number> {
    this.#child.stdin!.write(`${JSON.stringify(order)}\n`);
    return this.#answer();
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin!.end();
    await this.#gone.catch(() => {});
  }

  async #answer(): Promise<number> {
    const answer = once(this.#answers, 'line');
    const [line] = await Promise.race([answer, this.#gone]);
    return Number(line);
  }
}

async function run(lab: Lab, host: string, command: string, args: readonly string[]) {
  const { code, stderr } = await lab.exec(host, command, args);
  if (code !== 0) throw new Error(`${host}: ${command}: ${stderr.trim()}`);
}

export class Tester {
  readonly #initiator: Half;
  readonly #responder: Half;
  #round = 0;

  private constructor(initiator: Half, responder: Half) {
    this.#initiator = initiator;
    this.#responder = responder;
  }

  static async start(lab: Lab): Promise<Tester> {
    return new Tester(await Half.start(lab, 'initiator'), await Half.start(lab, 'responder'));
  }

  /** Begins connections; how many of them the responder heard of. */
  establish(range: Range, perS: number): Promise<number> {
    return this.#send(this.#initiator, this.#responder, range, perS);
  }

  /** Answers every connection that the responder heard of; how many answers arrived. */
  validate(range: Range, perS: number): Promise<number> {
    return this.#send(this.#responder, this.#initiator, range, perS);
  }

  /** Connections that had the outside endpoint of another one, of all so far. */
  shared(): Promise<number> {
    return this.#responder.order({ order: 'shared' });
  }

  async end(): Promise<void> {
    await this.#initiator.end();
    await this.#responder.end();
  }

  async #send(from: Half, to: Half, range: Range, perS: number): Promise<number> {
    this.#round += 1;
    const round = this.#round;
    await from.order({ order: 'send', range, round, perS });
    let seen = 0;
    for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += SETTLE_POLL_MS) {
      seen = await to.order({ order: 'seen', range, round });
      if (seen === range.count) break;
      await sleep(SETTLE_POLL_MS);
    }
    return seen;
  }
}
