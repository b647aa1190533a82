/**
 * The gateway's voice among the others: a UDP socket on the control network. It seals what the
 * packet thread has to say and opens what others said; it decides nothing. What is forged, repeated
 * or no message is dropped and counted. Before there is a packet thread it answers questions with
 * the truth: in this run the store was never heard.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { MemberInfo } from '@flowstore/flow-store';
import {
  decodePeerMessage,
  type Envelope,
  encodePeerMessage,
  type PeerMessage,
} from '@flowstore/gateway-core';
import { openLetter, sealLetter } from './peer-envelope.ts';
import { ReplayWindow } from './replay-window.ts';

/** Names whose counters are remembered: members come and go. */
const SENDERS_MAX = 1_024;

export interface PeerSocketOptions {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly incarnation: string;
  readonly secret: string;
  /** Above all counters of earlier runs: the clock in microseconds, or better. */
  readonly counterStart: bigint;
}

export class PeerCounters {
  sent = 0;
  received = 0;
  /** Not sealed with our secret, or not for us. */
  forged = 0;
  repeated = 0;
  /** Of another version, or cut short. */
  unreadable = 0;
  /** To a name whose address nobody knows, or that the kernel refused. */
  undeliverable = 0;
}

export class PeerSocket {
  readonly counters = new PeerCounters();
  /** Takes what peers say, once somebody does. */
  onMessage: ((from: string, message: PeerMessage) => void) | null = null;
  readonly #options: PeerSocketOptions;
  readonly #socket: Socket;
  readonly #addresses = new Map<string, { readonly host: string; readonly port: number }>();
  readonly #windows = new Map<string, ReplayWindow>();
  #counter: bigint;

  /** Rejects where the address can't be had. */
  static async open(options: PeerSocketOptions): Promise<PeerSocket> {
    const socket = createSocket(options.host.includes(':') ? 'udp6' : 'udp4');
    const peers = new PeerSocket(options, socket);
    socket.bind(options.port, options.host);
    await once(socket, 'listening');
    socket.on('error', () => {
      peers.counters.undeliverable++;
    });
    return peers;
  }

  private constructor(options: PeerSocketOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#counter = options.counterStart;
    socket.on('message', (bytes, from) => this.#hear(bytes, from));
  }

  /** "192.0.2.101:9465" */
  get address(): string {
    const { address, port } = this.#socket.address();
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** Where the members are, as the store says. */
  setMembers(members: readonly MemberInfo[]): void {
    for (const { name, peerAddress } of members) {
      const parts = /^\[?(.*?)\]?:(\d+)$/.exec(peerAddress ?? '');
      if (parts !== null) this.#addresses.set(name, { host: parts[1]!, port: Number(parts[2]) });
    }
  }

  send({ to, message }: Envelope): void {
    const address = this.#addresses.get(to);
    if (address === undefined) {
      this.counters.undeliverable++;
      return;
    }
    const { name, incarnation, secret } = this.#options;
    const letter = { from: name, incarnation, counter: this.#counter++ };
    const bytes = sealLetter({ ...letter, message: encodePeerMessage(message) }, to, secret);
    this.counters.sent++;
    this.#socket.send(bytes, address.port, address.host, (error) => {
      if (error) this.counters.undeliverable++;
    });
  }

  async close(): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #hear(bytes: Buffer, { address, port }: RemoteInfo): void {
    const letter = openLetter(bytes, this.#options.name, this.#options.secret);
    if (letter === null) {
      this.counters.forged++;
      return;
    }
    if (!this.#isNew(letter.from, letter.counter)) {
      this.counters.repeated++;
      return;
    }
    const message = decodePeerMessage(letter.message);
    if (message === null) {
      this.counters.unreadable++;
      return;
    }
    this.counters.received++;
    // It may be a member that the store has forgotten, or has not told us of yet.
    this.#addresses.set(letter.from, { host: address, port });
    if (this.onMessage !== null) this.onMessage(letter.from, message);
    else if (message.kind === 'ask') {
      const answer = { kind: 'contact', round: message.round, heardAgeMs: null } as const;
      this.send({ to: letter.from, message: answer });
    }
  }

  #isNew(from: string, counter: bigint): boolean {
    const window = this.#windows.get(from) ?? new ReplayWindow();
    if (this.#windows.size < SENDERS_MAX) this.#windows.set(from, window);
    return this.#windows.has(from) && window.accept(counter);
  }
}
