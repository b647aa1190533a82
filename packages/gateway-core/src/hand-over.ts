/**
 * Packets from outside whose flow only another gateway knows, while the store can't be asked. They
 * are handed to the peers, one hop: what was handed over is translated or dropped, never handed on.
 *
 * ```
 *   packet, no row --> known holder of its endpoint? --yes--> to it alone
 *                                   | no                       ^
 *                                   v                          | remembered
 *                            to every peer --> has the row: translates, sends, says `mine`
 *                                          --> holds the lease: says `mine`, drops
 *                                          --> neither: drops
 * ```
 *
 * Who has the row goes before who holds the lease: a block's rows may be spread over gateways, and
 * its lease be a third one's, who got it when the block came back with some ports in use. Until the
 * holder is known a packet may come out twice, where two peers have the row. A row ends while its
 * gateway hears nothing of the other direction: a holder that is silent, or has the row no longer,
 * is forgotten, and all are asked again.
 */
import { ipv4FromNumber } from '@flowstore/flow';
import type { Packet } from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import type { FrameMemory } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { Outage } from './outage.ts';
import type { PeerMessage } from './peer-message.ts';
import type { PortKeeper } from './port-keeper.ts';

/** A peer answers within a round trip. */
const HOLDER_SILENT_MS = 250;

interface Holder {
  readonly name: string;
  readonly hasRow: boolean;
  /** Since when packets went to it without an answer. */
  waitingSinceMs: number | null;
}

type Mine = Omit<Extract<PeerMessage, { kind: 'mine' }>, 'kind'>;

export class HandOver {
  readonly #outage: Outage;
  readonly #ports: PortKeeper;
  readonly #limits: GatewayLimits;
  readonly #counters: GatewayCounters;
  /** By outside endpoint: the peer that said `mine`. */
  readonly #holders = new Map<string, Holder>();
  #left: number;

  constructor(
    outage: Outage,
    ports: PortKeeper,
    { limits, counters }: { limits: GatewayLimits; counters: GatewayCounters },
  ) {
    this.#outage = outage;
    this.#ports = ports;
    this.#limits = limits;
    this.#counters = counters;
    this.#left = limits.handOversMax;
  }

  /** Takes a packet from outside that has no row here; false if the store is to be asked. */
  take(packet: Packet, memory: FrameMemory, offset: number, length: number, nowMs: number) {
    if (!this.#outage.isCutOff(nowMs) || this.#outage.peers === 0) return false;
    const holder = this.#holderOf(keyOf(packet), nowMs);
    const receivers = holder === undefined ? this.#outage.names : [holder.name];
    if (length > this.#limits.handOverBytesMax || this.#left < receivers.length) {
      this.#counters.handOversDropped++;
      return true;
    }
    const frame = memory.bytes.slice(offset, offset + length);
    for (const name of receivers) this.#outage.send(name, { kind: 'packet', frame });
    if (holder !== undefined) holder.waitingSinceMs ??= nowMs;
    this.#left -= receivers.length;
    this.#counters.handOversSent++;
    return true;
  }

  /** A packet was handed over to us: says so if it is ours. */
  answer(from: string, packet: Packet, hasRow: boolean): void {
    this.#counters.handOversReceived++;
    if (!hasRow) this.#counters.dropHandedOver++;
    const { protocol, destination, destinationPort } = packet;
    if (!hasRow && !this.#ports.holds(protocol, ipv4FromNumber(destination), destinationPort)) {
      return;
    }
    const endpoint = { protocol, address: destination, port: destinationPort };
    this.#outage.send(from, { kind: 'mine', ...endpoint, hasRow });
  }

  /** A peer says that the endpoint is its own. */
  learn(from: string, { protocol, address, port, hasRow }: Mine): void {
    const key = `${protocol}/${address}/${port}`;
    const known = this.#holders.get(key);
    if (!hasRow && known !== undefined) {
      if (known.name === from && known.hasRow) this.#holders.delete(key);
      if (known.name !== from || known.hasRow) return;
    }
    this.#holders.set(key, { name: from, hasRow, waitingSinceMs: null });
    if (this.#holders.size <= this.#limits.holdersMax) return;
    const [oldest] = this.#holders.keys();
    this.#holders.delete(oldest!);
  }

  #holderOf(key: string, nowMs: number): Holder | undefined {
    const holder = this.#holders.get(key);
    const sinceMs = holder?.waitingSinceMs ?? nowMs;
    if (nowMs - sinceMs <= HOLDER_SILENT_MS) return holder;
    this.#holders.delete(key);
    return undefined;
  }

  tick(nowMs: number): void {
    this.#left = this.#limits.handOversMax;
    if (this.#holders.size > 0 && !this.#outage.isCutOff(nowMs)) this.#holders.clear();
  }
}

function keyOf({ protocol, destination, destinationPort }: Packet): string {
  return `${protocol}/${destination}/${destinationPort}`;
}
