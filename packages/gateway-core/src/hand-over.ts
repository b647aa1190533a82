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
 * holder is known a packet may come out twice, where two peers have the row.
 */
import { ipv4FromNumber } from '@flowstore/flow';
import type { Packet } from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import type { FrameMemory } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { Outage } from './outage.ts';
import type { PeerMessage } from './peer-message.ts';
import type { PortKeeper } from './port-keeper.ts';

type Mine = Omit<Extract<PeerMessage, { kind: 'mine' }>, 'kind'>;

export class HandOver {
  readonly #outage: Outage;
  readonly #ports: PortKeeper;
  readonly #limits: GatewayLimits;
  readonly #counters: GatewayCounters;
  /** By outside endpoint: the peer that said `mine`. */
  readonly #holders = new Map<string, string>();
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
    const holder = this.#holders.get(keyOf(packet));
    const receivers = holder === undefined ? this.#outage.names : [holder];
    if (length > this.#limits.handOverBytesMax || this.#left < receivers.length) {
      this.#counters.handOversDropped++;
      return true;
    }
    const frame = memory.bytes.slice(offset, offset + length);
    for (const name of receivers) this.#outage.send(name, { kind: 'packet', frame });
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
    if (!hasRow && this.#holders.has(key)) return;
    this.#holders.set(key, from);
    if (this.#holders.size <= this.#limits.holdersMax) return;
    const [oldest] = this.#holders.keys();
    this.#holders.delete(oldest!);
  }

  tick(nowMs: number): void {
    this.#left = this.#limits.handOversMax;
    if (this.#holders.size > 0 && !this.#outage.isCutOff(nowMs)) this.#holders.clear();
  }
}

function keyOf({ protocol, destination, destinationPort }: Packet): string {
  return `${protocol}/${destination}/${destinationPort}`;
}
