/**
 * A few gateway-cores over one in-memory store, on one virtual clock: packets go in by hand, what
 * leaves is collected. The store and the peers answer in the same instant unless they are told to
 * be away.
 */
import { CLUSTER_DEFAULTS, type ClusterConfig } from '@flowstore/flow';
import type { FlowStore } from '@flowstore/flow-store';
import { ModelData, ModelFlowStore } from '@flowstore/flow-store/testing';
import { ICMP_TIME_EXCEEDED, isFragment, Malformed, Packet, parseIpv4 } from '@flowstore/nat';
import { buildPacket, checksumsAreRight, type PacketSpec } from '@flowstore/nat/testing';
import { domainOf, type FrameMemory, IP_OFFSET, newFrame, Side, Verdict } from '../frame.ts';
import { GatewayCore } from '../gateway-core.ts';
import { DEFAULT_LIMITS, type GatewayLimits } from '../limits.ts';
import { decodePeerMessage, encodePeerMessage, type PeerMessage } from '../peer-message.ts';
import type { Policies } from '../policies.ts';
import { performCall, type StoreCall, type StoreReply } from '../store-call.ts';

export const INSIDE = '198.18.1.10';
export const REMOTE = '198.51.100.10';
export const TEST_CONFIG: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/16'],
};

/** Only what a gateway says itself has it. */
const CONTROL_PRECEDENCE = 0xc0;

/** What any packet that left has; of a fragment it is all that is read. */
export interface SentFragment {
  readonly gateway: number;
  readonly side: Side;
  /** Of the inside device by which it left; 0 on the outside. */
  readonly domain: number;
  readonly bytes: Uint8Array;
}

/** A packet that left a gateway. */
export interface Sent extends SentFragment {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
  readonly tcpFlags: number;
}

/** Is told what goes where. */
export interface Watcher {
  packetIn(gateway: number, side: Side, bytes: Uint8Array): void;
  packetOut(sent: SentFragment): void;
  call(gateway: number, call: StoreCall): void;
  reply(gateway: number, call: StoreCall, reply: StoreReply): void;
  said(from: number, to: number, message: PeerMessage): void;
}

export interface WorldOptions {
  readonly gateways?: number;
  readonly config?: ClusterConfig;
  readonly limits?: Partial<GatewayLimits>;
  readonly policies?: Policies;
  readonly seed?: number;
  /** For packets that come in broken: a NAT must not make a broken payload look whole. */
  readonly wrongPayloadsPass?: boolean;
  readonly watcher?: Watcher;
}

/** What is told leaves at once, unless a test wants it otherwise. */
const WORLD_LIMITS: GatewayLimits = { ...DEFAULT_LIMITS, flowsMax: 4_096, touchGatherMs: 0 };

/** How far the store's clock is ahead of the gateways'. */
export const STORE_CLOCK_MS = 3.2e10;

export class World {
  store: ModelFlowStore;
  readonly gateways: GatewayCore[] = [];
  readonly sent: Sent[] = [];
  /** What left in fragments. */
  readonly fragments: SentFragment[] = [];
  /** Every call that left a gateway, in order. */
  readonly calls: StoreCall[] = [];
  nowMs = 1_000_000;
  /** Of the inside device by which packets come in. */
  domain = 0;
  storeIsAway = false;
  /** Operations that get lost on their way. */
  readonly lost = new Set<StoreCall['operation']>();
  /** That have what is written; none: so is it where the master was replaced. */
  replicas = 1;
  /** Gateways that the store alone is away for, and those whose peers don't hear them. */
  readonly cutOff = new Set<number>();
  readonly mute = new Set<number>();
  /** By gateway: the round in which it asked its peers last. */
  readonly rounds: number[] = [];
  readonly #options: WorldOptions;
  #state: number;
  #runId = 'first';

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.#state = options.seed ?? 1;
    const config = options.config ?? TEST_CONFIG;
    // The store's clock is nobody else's: it is off by a year.
    this.store = this.#newStore(config);
    for (const { grace } of this.store.data.shards) grace.markFresh(this.#runId);
    const count = options.gateways ?? 1;
    for (let i = 0; i < count; i++) this.gateways.push(this.newGateway(i, count));
  }

  /** The store comes back as another server, with nothing or with what it had at some time. */
  async changeStore(data = new ModelData()): Promise<void> {
    this.#runId += "'";
    this.store = this.#newStore(this.store.config, data);
    await this.store.initialise('restored');
  }

  #newStore(config: ClusterConfig, data = new ModelData()): ModelFlowStore {
    const nowMs = () => Math.floor(this.nowMs) + STORE_CLOCK_MS;
    const replicas = () => this.replicas;
    return new ModelFlowStore({ config, nowMs, data, runId: () => this.#runId, replicas });
  }

  get #hasRules(): boolean {
    const { oneToOne, noNat } = this.store.config;
    return oneToOne.length + noNat.length > 0;
  }

  /** A gateway that starts from nothing, as after a crash. */
  newGateway(index: number, gateways = this.gateways.length): GatewayCore {
    const core = new GatewayCore({
      config: this.store.config,
      limits: { ...WORLD_LIMITS, ...this.#options.limits },
      incarnation: this.random().toString(16).padStart(16, '0'),
      random: () => this.random(),
      nowMs: this.nowMs,
      emit: (side, memory, length) => this.#collect(index, side, memory, length),
      ...(this.#options.policies && { policies: this.#options.policies }),
    });
    const names = Array.from({ length: gateways }, (_, i) => nameOf(i));
    const others = names.filter((_, i) => i !== index);
    // Members are known who were listed for two heartbeats.
    for (const ageMs of [3 * this.store.config.heartbeatMs, 0]) {
      core.setPeers(others, this.nowMs - ageMs);
    }
    return core;
  }

  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    const mixed = Math.imul(this.#state ^ (this.#state >>> 15), 0x2c1b3c6d);
    return (mixed ^ (mixed >>> 13)) >>> 0;
  }

  /** Gives a packet to a gateway and does not wait for the store. */
  inject(
    gateway: number,
    side: Side,
    packet: Uint8Array | PacketSpec,
    partialChecksum = false,
    segmentBytes = 0,
  ): void {
    const bytes = packet instanceof Uint8Array ? packet : buildPacket(packet);
    const frame = newFrame(IP_OFFSET + bytes.length, this.domain);
    frame.bytes.set(bytes, IP_OFFSET);
    const length = frame.bytes.length;
    // virtio-net's header: what is left to a device.
    frame.bytes[0] = partialChecksum ? 1 : 0;
    frame.bytes[1] = segmentBytes > 0 ? 1 : 0;
    frame.view.setUint16(4, segmentBytes, true);
    this.#options.watcher?.packetIn(gateway, side, bytes);
    const verdict = this.gateways[gateway]!.process(side, frame, 0, length, this.nowMs);
    if (verdict === Verdict.Done) return;
    const staysInside = verdict === Verdict.Hairpin || side === Side.Outside;
    frame.domain = this.gateways[gateway]!.domain;
    this.#collect(gateway, staysInside ? Side.Inside : Side.Outside, frame, length);
  }

  /** Gives a packet to a gateway, lets the store answer, and returns what left. */
  async send(gateway: number, side: Side, packet: Uint8Array | PacketSpec): Promise<Sent[]> {
    const before = this.sent.length;
    this.inject(gateway, side, packet);
    await this.settle();
    return this.sent.slice(before);
  }

  /** Carries calls and replies until nobody has anything to ask. */
  async settle(): Promise<void> {
    for (let again = true; again; ) {
      again = false;
      for (const [index, gateway] of this.gateways.entries()) {
        for (const call of gateway.takeCalls(this.nowMs)) {
          again = true;
          this.calls.push(call);
          this.#options.watcher?.call(index, call);
          const reply =
            this.storeIsAway || this.cutOff.has(index) || this.lost.has(call.operation)
              ? { id: call.id, results: null }
              : await performCall(this.store as FlowStore, call, (error) => {
                  throw error;
                });
          this.#options.watcher?.reply(index, call, reply);
          gateway.reply(reply, this.nowMs);
        }
      }
      if (this.#carryPeerMessages()) again = true;
    }
  }

  #carryPeerMessages(): boolean {
    let carried = false;
    for (const [index, gateway] of this.gateways.entries()) {
      for (const { to, message } of gateway.takePeerMessages()) {
        carried = true;
        if (message.kind === 'ask') this.rounds[index] = message.round;
        const target = this.gateways.findIndex((_, i) => nameOf(i) === to);
        if (target < 0 || this.mute.has(index) || this.mute.has(target)) continue;
        this.#options.watcher?.said(index, target, message);
        const received = decodePeerMessage(encodePeerMessage(message));
        this.gateways[target]!.peerMessage(nameOf(index), received!, this.nowMs);
      }
    }
    return carried;
  }

  /** Lets time pass in steps, ticking every gateway. */
  async advance(ms: number, stepMs = Math.min(ms, 1_000)): Promise<void> {
    const end = this.nowMs + ms;
    while (this.nowMs < end) {
      this.nowMs = Math.min(end, this.nowMs + stepMs);
      for (const gateway of this.gateways) gateway.tick(this.nowMs);
      await this.settle();
    }
  }

  /** Sweeps every shard until nothing is due. */
  async sweep(): Promise<void> {
    for (let shard = 0; shard < 64; shard++) {
      for (let more = true; more; ) more = (await this.store.sweep(shard, 64)).nextDueMs === 0;
    }
  }

  #collect(gateway: number, side: Side, memory: FrameMemory, length: number): void {
    const bytes = memory.bytes.slice(IP_OFFSET, length);
    const domain = domainOf(side, memory);
    const packet = new Packet();
    const view = new DataView(bytes.buffer);
    if (parseIpv4(view, 0, bytes.length, packet) === Malformed.None && isFragment(packet)) {
      const fragment = { gateway, side, domain, bytes };
      this.#options.watcher?.packetOut(fragment);
      this.fragments.push(fragment);
      return;
    }
    const isWhole = this.#options.wrongPayloadsPass || checksumsAreRight(bytes);
    const malformed = parseIpv4(view, 0, bytes.length, packet);
    // On its last hop it is nothing that a gateway would take, but may well leave one.
    if (malformed === Malformed.Ttl && isWhole) return;
    // As a hop of the way it speaks of other protocols' packets, too, which it would not translate.
    const mayBeOfOthers = bytes[20] === ICMP_TIME_EXCEEDED || this.#hasRules;
    const isOwnError = bytes[1] === CONTROL_PRECEDENCE && mayBeOfOthers;
    if (malformed === Malformed.IcmpEmbedded && isOwnError && isWhole) return;
    // A rule is about whole addresses, whatever goes between them.
    const isUnknown = malformed === Malformed.Protocol || malformed === Malformed.IcmpType;
    if (isUnknown && this.#hasRules && isWhole) return;
    if (malformed !== Malformed.None || !isWhole) {
      throw new Error('a gateway sent a packet that is not right');
    }
    const text = (address: number) =>
      [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');
    const sent = {
      gateway,
      side,
      domain,
      from: text(packet.source),
      fromPort: packet.sourcePort,
      to: text(packet.destination),
      toPort: packet.destinationPort,
      tcpFlags: packet.tcpFlags,
      bytes,
    };
    this.#options.watcher?.packetOut(sent);
    this.sent.push(sent);
  }
}

export function nameOf(gateway: number): string {
  return `gw${gateway + 1}`;
}
