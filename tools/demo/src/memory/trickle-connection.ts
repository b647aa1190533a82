/** One trickling connection, seen from its client: "id number" goes out, and must come back. */
import { Gap } from './gap.ts';
import type { Host } from './host.ts';
import type { Tuple } from './packets.ts';
import type { TcpConnection, TcpEnd } from './tcp.ts';

export const TRICKLE_PORT = 7_000;

export interface TrickleConnectionOptions {
  readonly id: number;
  readonly client: Host;
  readonly server: Host;
  readonly everyMs: number;
  readonly clock: () => number;
}

export class TrickleConnection {
  readonly id: number;
  readonly tuple: Tuple;
  /** In the server's direction; null until the server heard something. */
  inboundTuple: Tuple | null = null;
  isOpen = false;
  echoed = 0;
  readonly #connection: TcpConnection;
  readonly #clock: () => number;
  readonly #everyMs: number;
  readonly #gap: Gap;
  #said = 0;
  #sayAtMs: number;
  #partial = '';
  #wrong = '';
  #closing = false;
  #endedEarly = false;

  constructor({ id, client, server, everyMs, clock }: TrickleConnectionOptions) {
    this.id = id;
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#gap = new Gap(clock());
    this.#sayAtMs = clock();
    const { connection, tuple } = client.connect(server.address, TRICKLE_PORT, {
      onOpen: () => {
        this.isOpen = true;
        this.#gap.answered(clock());
      },
      onData: (bytes) => this.#receive(new TextDecoder().decode(bytes)),
      onClosed: () => {
        this.#endedEarly = !this.#closing;
      },
    });
    this.#connection = connection;
    this.tuple = tuple;
  }

  get end(): TcpEnd | null {
    return this.#connection.end;
  }

  /** Lines that the network lost, once or again. */
  get retransmissions(): number {
    return this.#connection.retransmissions;
  }

  get awaitsEcho(): boolean {
    return !this.isOpen || this.echoed < this.#said;
  }

  /** A silence that has not ended counts too. */
  get longestGapMs(): number {
    if (this.awaitsEcho && this.end === null) this.#gap.answered(this.#clock());
    return this.#gap.longestMs;
  }

  step(nowMs: number): void {
    if (!this.isOpen || nowMs < this.#sayAtMs || this.end !== null) return;
    this.#sayAtMs = nowMs + this.#everyMs;
    this.#connection.send(new TextEncoder().encode(`${this.id} ${this.#said++}\n`));
  }

  close(): void {
    this.#closing = true;
    this.#connection.close();
  }

  /** One sentence about what went wrong; null: nothing did. */
  failure(): string | null {
    const name = `connection ${this.id}`;
    if (!this.isOpen) return `${name} did not open`;
    if (this.#wrong !== '') return `${name} got ${this.#wrong}`;
    if (this.end === 'reset') return `${name} was reset after ${this.echoed} answers`;
    if (this.awaitsEcho) {
      return `${name} is lost: ${this.#said - this.echoed} of ${this.#said} lines never came back`;
    }
    if (this.#endedEarly) return `${name} ended before its time`;
    return this.end === 'closed' ? null : `${name} could not be closed`;
  }

  #receive(text: string): void {
    this.#gap.answered(this.#clock());
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop()!;
    for (const line of lines) {
      const expected = `${this.id} ${this.echoed++}`;
      if (line !== expected) this.#wrong ||= `"${line}" where "${expected}" was due`;
    }
  }
}
