/**
 * Joins what knows of other gateways: the membership says who they are, the socket speaks with
 * them, the packet thread decides what to say. Without a secret nobody is asked: a gateway that the
 * store does not answer then stops at the end of its leases, unless it is alone.
 */
import type { MemberInfo } from '@flowstore/flow-store';
import type { Envelope } from '@flowstore/gateway-core';
import type { Logger } from '@flowstore/service';
import type { GatewayConfig } from './config.ts';
import { PeerCounters, PeerSocket } from './peer-socket.ts';
import type { ThreadClient } from './thread-client.ts';

export interface PeersOptions {
  readonly config: GatewayConfig;
  readonly incarnation: string;
  readonly log: Logger;
  /** Grows from run to run. */
  readonly counterStart: bigint;
}

export class Peers {
  readonly #name: string;
  readonly #socket: PeerSocket | null;
  #thread: ThreadClient | undefined;
  #members: readonly MemberInfo[] = [];

  static async open({ config, incarnation, log, counterStart }: PeersOptions): Promise<Peers> {
    const { name } = config;
    const { host, port, secret } = config.peers;
    if (secret === undefined) {
      log.warn('peers.secret is not set: when the store is away the other gateways are not asked');
      return new Peers(name, null);
    }
    const options = { host, port, name, incarnation, secret, counterStart };
    return new Peers(name, await PeerSocket.open(options));
  }

  private constructor(name: string, socket: PeerSocket | null) {
    this.#name = name;
    this.#socket = socket;
  }

  /** Null where this gateway does not hear others. */
  get address(): string | null {
    return this.#socket?.address ?? null;
  }

  get counters(): Readonly<Record<string, number>> {
    return { ...(this.#socket?.counters ?? new PeerCounters()) };
  }

  setMembers(members: readonly MemberInfo[]): void {
    this.#members = members;
    this.#socket?.setMembers(members);
    this.#thread?.setGateways(members.length);
    const names = members.map(({ name }) => name).filter((name) => name !== this.#name);
    const isMute = this.#socket === null && names.length > 0;
    this.#thread?.setPeers(isMute ? null : names);
  }

  send(envelope: Envelope): void {
    this.#socket?.send(envelope);
  }

  /** From now on it is the packet thread that answers. */
  serve(thread: ThreadClient): void {
    this.#thread = thread;
    this.setMembers(this.#members);
    if (this.#socket === null) return;
    this.#socket.onMessage = (from, message) => thread.peerMessage(from, message);
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }
}
