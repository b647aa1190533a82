/**
 * A scenario of docs/protocol.md: a few gateways, a host, a remote host, the store, and a picture
 * of who said what to whom. The pictures in the document are these, drawn by the tests.
 */
import { ICMP, TCP } from '@flowstore/flow';
import { isFragment, isLaterFragment, Packet, parseIpv4 } from '@flowstore/nat';
import type { PacketSpec } from '@flowstore/nat/testing';
import { Side } from '../frame.ts';
import { cutOffMs } from '../outage.ts';
import type { PeerMessage } from '../peer-message.ts';
import type { Operation, StoreCall, StoreReply } from '../store-call.ts';
import { Picture } from './picture.ts';
import {
  type Sent,
  type SentFragment,
  TEST_CONFIG,
  type Watcher,
  World,
  type WorldOptions,
} from './world.ts';

export const SYN = 0x02;
export const SYN_ACK = 0x12;
export const ACK = 0x10;
export const FIN_ACK = 0x11;

export class Story implements Watcher {
  readonly world: World;
  readonly picture: Picture;
  #isMuted = false;
  /** Operations that are not drawn. */
  readonly hidden = new Set<Operation | 'said'>(['feed', 'list', 'said']);
  /** The one gateway that is drawn; all of them by default. */
  followed: number | null = null;

  constructor(gateways: number, options: WorldOptions = {}) {
    const names = Array.from({ length: gateways }, (_, i) => `gw${i + 1}`);
    this.picture = new Picture(['host', ...names, 'store', 'remote']);
    this.world = new World({ ...options, gateways, watcher: this });
  }

  /** A packet, and all that comes of it at once. */
  async send(gateway: number, side: Side, packet: PacketSpec | Uint8Array): Promise<Sent[]> {
    return this.world.send(gateway, side, packet);
  }

  /** Time passes, and only this line tells of it. */
  async later(ms: number, text: string): Promise<void> {
    this.picture.pause(text);
    await this.unseen(() => this.world.advance(ms, Math.max(50, ms / 200)));
  }

  /** SIGKILL. In its place stands one that knows nothing, and is sent nothing. */
  kill(gateway: number): void {
    this.picture.end(`gw${gateway + 1}`);
    this.world.gateways[gateway] = this.world.newGateway(gateway);
  }

  async unseen(run: () => Promise<unknown>): Promise<void> {
    this.#isMuted = true;
    await run();
    this.#isMuted = false;
  }

  packetIn(gateway: number, side: Side, bytes: Uint8Array): void {
    const from = side === Side.Inside ? 'host' : 'remote';
    this.#arrow(from, `gw${gateway + 1}`, labelOf(bytes, side));
  }

  packetOut({ gateway, side, bytes }: SentFragment): void {
    const to = side === Side.Inside ? 'host' : 'remote';
    this.#arrow(`gw${gateway + 1}`, to, labelOf(bytes, side));
  }

  call(gateway: number, { operation, requests }: StoreCall): void {
    if (this.#hides(gateway, operation)) return;
    const times = requests.length === 1 ? '' : ` x${requests.length}`;
    this.#arrow(`gw${gateway + 1}`, 'store', `${operation}${times}`);
  }

  reply(gateway: number, { operation }: StoreCall, { results }: StoreReply): void {
    if (this.#hides(gateway, operation)) return;
    if (results === null) {
      if (!this.#isMuted) this.picture.note('store', 'no answer');
      return;
    }
    const kinds = [...new Set(results.map(({ kind }) => kind))].join(', ');
    this.#arrow('store', `gw${gateway + 1}`, kinds);
  }

  said(from: number, to: number, message: PeerMessage): void {
    if (this.hidden.has('said')) return;
    this.#arrow(`gw${from + 1}`, `gw${to + 1}`, wordsOf(message));
  }

  #hides(gateway: number, operation: Operation): boolean {
    return this.hidden.has(operation) || (this.followed ?? gateway) !== gateway;
  }

  #arrow(from: string, to: string, label: string): void {
    if (!this.#isMuted) this.picture.arrow(from, to, label);
  }
}

function wordsOf(message: PeerMessage): string {
  if (message.kind === 'ask') return 'store?';
  return message.kind === 'contact' ? answerOf(message.heardAgeMs) : message.kind;
}

/** To the question whether it reaches the store. */
function answerOf(heardAgeMs: number | null): string {
  return heardAgeMs === null || heardAgeMs > cutOffMs(TEST_CONFIG) ? 'not either' : 'yes';
}

/** What it is, and on the outside link the port by which the world knows the host. */
function labelOf(bytes: Uint8Array, side: Side): string {
  const packet = new Packet();
  parseIpv4(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length, packet);
  if (isFragment(packet)) return isLaterFragment(packet) ? 'later part' : 'first part';
  const { protocol, tcpFlags, source, sourcePort, destinationPort } = packet;
  const name = protocol === TCP ? segmentName(tcpFlags) : protocol === ICMP ? 'echo' : 'UDP';
  if (side === Side.Inside) return name;
  return `${name} :${source >>> 8 === POOL_NETWORK ? sourcePort : destinationPort}`;
}

/** 203.0.113.0/24 */
const POOL_NETWORK = 0xcb0071;

function segmentName(tcpFlags: number): string {
  const names: Readonly<Record<number, string>> = {
    [SYN]: 'SYN',
    [SYN_ACK]: 'SYN-ACK',
    [ACK]: 'data',
    [FIN_ACK]: 'FIN',
  };
  if ((tcpFlags & 0x04) !== 0) return 'RST';
  return names[tcpFlags] ?? 'data';
}
