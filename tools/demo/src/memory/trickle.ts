/**
 * Many TCP connections that each say a line now and then. Each line names its connection and its
 * number, and exactly that line has to come back: what belongs to somebody else shows at once.
 */
import type { TrafficResult } from '../result.ts';
import { GAP_MAX_MS } from './gap.ts';
import type { Host } from './host.ts';
import type { Tuple } from './packets.ts';
import { TRICKLE_PORT, TrickleConnection } from './trickle-connection.ts';

/** Opened per turn: all at once would only measure the store. */
const OPENED_PER_STEP = 4;

export interface TrickleOptions {
  readonly clients: readonly Host[];
  readonly servers: readonly Host[];
  readonly connections: number;
  readonly everyMs: number;
  readonly clock: () => number;
}

export class Trickle {
  readonly connections: TrickleConnection[] = [];
  /** What a server heard on one connection that another had said. */
  readonly #mixedUp: string[] = [];
  readonly #options: TrickleOptions;
  #sending = true;

  constructor(options: TrickleOptions) {
    this.#options = options;
    for (const server of options.servers) this.#serve(server);
  }

  get isOpen(): boolean {
    const { connections } = this.#options;
    return this.connections.length === connections && this.connections.every((each) => each.isOpen);
  }

  get alive(): number {
    return this.connections.filter((each) => each.isOpen && each.end === null).length;
  }

  get isSettled(): boolean {
    return this.connections.every((each) => each.end !== null || !each.awaitsEcho);
  }

  get isClosed(): boolean {
    return this.connections.every((each) => each.end !== null);
  }

  step(nowMs: number): number {
    const { clients, servers, connections, clock, everyMs } = this.#options;
    for (let k = 0; k < OPENED_PER_STEP && this.connections.length < connections; k++) {
      const id = this.connections.length;
      const client = clients[id % clients.length]!;
      const server = servers[(id >> 1) % servers.length]!;
      this.connections.push(new TrickleConnection({ id, client, server, clock, everyMs }));
    }
    if (this.#sending) for (const each of this.connections) each.step(nowMs);
    return 0;
  }

  stop(): void {
    this.#sending = false;
  }

  close(): void {
    for (const each of this.connections) each.close();
  }

  result(): TrafficResult {
    const opened = this.connections.filter((each) => each.isOpen);
    const gapsMs = opened.map((each) => each.longestGapMs);
    const lines = opened.reduce((sum, each) => sum + each.echoed, 0);
    const again = opened.reduce((sum, each) => sum + each.retransmissions, 0);
    return {
      name: 'TCP',
      opened: opened.length,
      survived: opened.filter((each) => each.failure() === null).length,
      reset: opened.filter((each) => each.end === 'reset').length,
      longestGapMs: Math.round(Math.max(0, ...gapsMs)),
      note: `${lines} lines came back to whoever had said them, ${again} were sent again`,
    };
  }

  failures(): string[] {
    const failures = [...this.#mixedUp];
    for (const each of this.connections) {
      const failure = each.failure();
      if (failure !== null) failures.push(failure);
      else if (each.longestGapMs > GAP_MAX_MS) {
        const gapMs = Math.round(each.longestGapMs);
        failures.push(`connection ${each.id} went ${gapMs} ms without an answer`);
      }
    }
    return failures;
  }

  #serve(server: Host): void {
    server.listen(TRICKLE_PORT, (connection, tuple) => {
      let owner = '';
      let partial = '';
      return {
        onData: (bytes) => {
          const lines = (partial + new TextDecoder().decode(bytes)).split('\n');
          partial = lines.pop()!;
          for (const line of lines) {
            const [id = ''] = line.split(' ');
            if (owner === '') this.#own(Number(id), tuple);
            if (owner !== '' && id !== owner) {
              this.#mixedUp.push(`connection ${owner}'s line ${line} is of another`);
            }
            owner ||= id;
          }
          connection.send(bytes);
        },
        onEnd: () => connection.close(),
      };
    });
  }

  /** Its first line tells which connection it is that the NAT hid. */
  #own(id: number, tuple: Tuple): void {
    const connection = this.connections[id];
    if (connection !== undefined) connection.inboundTuple = tuple;
  }
}
