/**
 * Two gateways over a real store in real time, under load: every packet of a flow goes through
 * either of them, as chance has it, which is ECMP at its worst. Whoever watches from outside notes
 * whose each outside endpoint is.
 */
import { type ClusterConfig, TCP, UDP } from '@flowstore/flow';
import type { FlowStore } from '@flowstore/flow-store';
import { Packet, parseIpv4 } from '@flowstore/nat';
import { buildPacket, type PacketSpec } from '@flowstore/nat/testing';
import { type FrameMemory, IP_OFFSET, newFrame, Side, Verdict } from '../frame.ts';
import { GatewayCore } from '../gateway-core.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { performCall } from '../store-call.ts';
import { ACK, RST, SYN, SYN_ACK } from './traffic.ts';
import { INSIDE, nameOf, REMOTE } from './world.ts';

const TURN_MS = 20;
const TURNS_PER_OPENING = 2;
/** The flows take turns, so that none idles for long. */
const PACKETS_PER_TURN = 12;
const FIRST_PORT = 10_000;

/** A flow as its host and the watcher know it. Its inside port is its remote port too, so that a
 * translated packet says whose it is. */
export interface LoadedFlow {
  readonly protocol: number;
  readonly port: number;
  readonly begunMs: number;
  /** Where its packets come from, by the last that came out. */
  outside: string | null;
  /** When its first packet came out; Infinity before. */
  openedMs: number;
  /** It was reset, or got another outside endpoint: when, and what. */
  readonly breaks: string[];
  /** TCP: the answer to its SYN came in. */
  answered: boolean;
  forwardedMs: number;
}

export class LoadedPair {
  readonly cores: readonly GatewayCore[];
  readonly flows: LoadedFlow[] = [];
  /** What must never be, one line each: packets of nobody, shared endpoints, astray answers. */
  readonly wrongs: string[] = [];
  readonly #stores: readonly FlowStore[];
  readonly #owners = new Map<string, LoadedFlow>();
  readonly #timer: NodeJS.Timeout;
  #isOpening = true;
  #isSending = true;
  #drawn = 1;
  #turns = 0;
  #next = 0;

  constructor(config: ClusterConfig, stores: readonly FlowStore[]) {
    this.#stores = stores;
    this.cores = stores.map((_, gateway) => this.#newCore(gateway, config));
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
  }

  /** Flows that are there go on. */
  openNoMore(): void {
    this.#isOpening = false;
  }

  sendNoMore(): void {
    this.#isSending = false;
  }

  /** Both gateways are dead from now on. */
  kill(): void {
    clearInterval(this.#timer);
  }

  /** Those of which a packet came out. */
  get open(): LoadedFlow[] {
    return this.flows.filter(({ outside }) => outside !== null);
  }

  #newCore(gateway: number, config: ClusterConfig): GatewayCore {
    const core = new GatewayCore({
      config,
      limits: { ...DEFAULT_LIMITS, flowsMax: 4_096 },
      incarnation: `00000000000000a${gateway}`,
      random: () => this.#random(),
      nowMs: performance.now(),
      emit: (side, memory, length) => this.#cameOut(side, memory, length),
    });
    const others = this.#stores.map((_, n) => nameOf(n)).filter((_, n) => n !== gateway);
    // Members are known who were listed for two heartbeats.
    for (const ageMs of [3 * config.heartbeatMs, 0])
      core.setPeers(others, performance.now() - ageMs);
    return core;
  }

  #random(): number {
    this.#drawn = (Math.imul(this.#drawn, 1_664_525) + 1_013_904_223) >>> 0;
    const mixed = Math.imul(this.#drawn ^ (this.#drawn >>> 15), 0x2c1b3c6d);
    return (mixed ^ (mixed >>> 13)) >>> 0;
  }

  #turn(): void {
    this.#turns += 1;
    if (this.#isOpening && this.#turns % TURNS_PER_OPENING === 0) this.#begin();
    const packets = this.#isSending ? Math.min(PACKETS_PER_TURN, this.flows.length) : 0;
    for (let n = 0; n < packets; n++) {
      this.#next = (this.#next + 1) % this.flows.length;
      this.#sendOut(this.flows[this.#next]!);
    }
    for (const [gateway, core] of this.cores.entries()) {
      core.tick(performance.now());
      for (const call of core.takeCalls(performance.now())) {
        void performCall(this.#stores[gateway]!, call).then((reply) => {
          core.reply(reply, performance.now());
        });
      }
      for (const { to, message } of core.takePeerMessages()) {
        const target = this.cores.findIndex((_, n) => nameOf(n) === to);
        this.cores[target]?.peerMessage(nameOf(gateway), message, performance.now());
      }
    }
  }

  #begin(): void {
    const { length } = this.flows;
    const flow = {
      protocol: length % 4 === 0 ? TCP : UDP,
      port: FIRST_PORT + length,
      begunMs: performance.now(),
      outside: null,
      openedMs: Number.POSITIVE_INFINITY,
      breaks: [],
      answered: false,
      forwardedMs: 0,
    };
    this.flows.push(flow);
    this.#sendOut(flow);
  }

  #sendOut({ protocol, port, answered }: LoadedFlow): void {
    const tcpFlags = answered ? ACK : SYN;
    const spec = { protocol, from: INSIDE, fromPort: port, to: REMOTE, toPort: port, tcpFlags };
    this.#process(Side.Inside, spec);
  }

  #process(side: Side, spec: PacketSpec): void {
    const bytes = buildPacket(spec);
    const frame = newFrame(IP_OFFSET + bytes.length);
    frame.bytes.set(bytes, IP_OFFSET);
    const { length } = frame.bytes;
    const core = this.cores[this.#random() % this.cores.length]!;
    const verdict = core.process(side, frame, 0, length, performance.now());
    if (verdict === Verdict.Forward) this.#cameOut((1 - side) as Side, frame, length);
  }

  #cameOut(side: Side, { view }: FrameMemory, length: number): void {
    const packet = new Packet();
    parseIpv4(view, IP_OFFSET, length - IP_OFFSET, packet);
    const { protocol, source, sourcePort, destinationPort, tcpFlags } = packet;
    const peersPort = side === Side.Outside ? destinationPort : sourcePort;
    const flow = this.flows[peersPort - FIRST_PORT];
    if (flow === undefined || flow.protocol !== protocol) {
      this.wrongs.push(`a packet of nobody came out: ${protocol} ${sourcePort} ${destinationPort}`);
    } else if ((tcpFlags & RST) !== 0) {
      flow.breaks.push(`${performance.now().toFixed(0)} reset`);
    } else if (side === Side.Outside) {
      this.#wentOut(flow, source, sourcePort);
    } else if (destinationPort !== flow.port) {
      this.wrongs.push(`an answer to ${flow.port} went to ${destinationPort}`);
    } else {
      flow.answered = true;
    }
  }

  #wentOut(flow: LoadedFlow, address: number, port: number): void {
    const outside = `${flow.protocol} ${address} ${port}`;
    const owner = this.#owners.get(outside) ?? flow;
    this.#owners.set(outside, owner);
    if (owner !== flow) this.wrongs.push(`${owner.port} and ${flow.port} share ${outside}`);
    const nowMs = performance.now();
    if (flow.outside === null) flow.openedMs = nowMs;
    else if (flow.outside !== outside) {
      flow.breaks.push(`${nowMs.toFixed(0)} from ${flow.outside} to ${outside}`);
    }
    flow.outside = outside;
    flow.forwardedMs = nowMs;
    const { protocol, port: fromPort } = flow;
    const to = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
    const tcpFlags = flow.answered ? ACK : SYN_ACK;
    this.#process(Side.Outside, { protocol, from: REMOTE, fromPort, to, toPort: port, tcpFlags });
  }
}
