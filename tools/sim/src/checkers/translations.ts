/**
 * I2, no stale translation, and what follows from it for whoever carries a flow: I6 (another
 * gateway's flow goes on as before, and is not reset) and I7 (a flow that was confirmed lately goes
 * on while the store is away). Every packet that a gateway lets through is compared with the truth
 * of that instant; every packet of a living flow that comes to a healthy gateway has to come out.
 */
import type { ClusterConfig } from '@flowstore/flow';
import { DEFAULT_LIMITS } from '@flowstore/gateway-core';
import { formatEndpoint, protocolName } from '../keys.ts';
import { type Reading, RST, SYN, type Tag, TCP } from '../packet.ts';
import type { Life } from '../world/life.ts';
import type { Checks } from './checks.ts';
import { describeFlow } from './endings.ts';
import { ProvisionalChecker } from './provisional.ts';
import { isFirstSegment } from './sightings.ts';
import type { BindingTruth, FlowTruth, Truth } from './truth.ts';

const HELD_MAX = DEFAULT_LIMITS.heldPerQuestionMax;
const DRIFT = 2e-4;
const TOLERANCE_MS = 5;
/** A flow that has so long to live at least is not about to end. */
const ALIVE_MS = 3_500;
/** After trouble with the store, calls that got lost are waited for so long. */
const AFTERMATH_MS = 7_000;

/** A packet that was taken in and has to come out. */
export interface Expectation {
  /** How often it was: packets are duplicated. */
  readonly copies: number;
  readonly flow: FlowTruth;
  readonly life: Life;
  readonly sinceMs: number;
  /** Named by its payload. */
  readonly packet: string;
}

export class TranslationChecker {
  /** Whether a shard knows no `no`: packets that need it may wait and be dropped. */
  inGrace: (shard: number) => boolean = () => false;
  /** The last instant at which nobody reached the store. */
  awayUntilMs: () => number = () => Number.NEGATIVE_INFINITY;
  readonly provisional: ProvisionalChecker;
  readonly #checks: Checks;
  readonly #config: ClusterConfig;
  readonly #truth: Truth;
  readonly #nowMs: () => number;
  readonly #tight: boolean;
  /** By the life that let its last packet through. */
  readonly #carriers = new WeakMap<FlowTruth, Life>();
  readonly #expected = new Map<string, Expectation>();

  constructor(
    checks: Checks,
    options: { config: ClusterConfig; truth: Truth; nowMs: () => number; tight: boolean },
  ) {
    this.#checks = checks;
    this.#config = options.config;
    this.#truth = options.truth;
    this.#nowMs = options.nowMs;
    this.#tight = options.tight;
    this.provisional = new ProvisionalChecker(options.config, options.nowMs);
  }

  /** The flow that a packet on its way into a gateway belongs to, if it lives. */
  flowOf(outbound: boolean, { header }: Reading): FlowTruth | undefined {
    const { protocol, source, sourcePort, destination, destinationPort } = header;
    const binding = outbound
      ? this.#truth.ofInside(protocol, source, sourcePort)
      : this.#truth.ofOutside(protocol, destination, destinationPort);
    if (binding === undefined) return undefined;
    const [remote, port] = outbound ? [destination, destinationPort] : [source, sourcePort];
    return this.#truth.flowOf(binding, remote, port);
  }

  /** Whether a packet of this flow has to come out again, be the store as it may. */
  isAlive(flow: FlowTruth | undefined, { header }: Reading): flow is FlowTruth {
    if (flow === undefined || flow.endedMs !== null || this.#tight) return false;
    if (this.inGrace(flow.binding.shard)) return false;
    const { control, protocol } = header;
    if (protocol === TCP && (isFirstSegment(control) || control & RST)) return false;
    const nowMs = this.#nowMs();
    return flow.sightings.notBeforeMs(this.#config, nowMs) > nowMs + ALIVE_MS;
  }

  /** A gateway let a packet through; `outbound` is the way it goes. */
  forwarded(life: Life, outbound: boolean, { header, tag }: Reading): void {
    if (tag === null) {
      this.#reset(life, outbound, header);
      return;
    }
    const { protocol } = header;
    const [outside, outsidePort] = outbound
      ? [header.source, header.sourcePort]
      : [tag.outside, tag.outsidePort];
    const holder = this.#truth.ofOutside(protocol, outside, outsidePort);
    this.#checks.check('I2', this.#isRight(outbound, header, tag, holder, life), () => {
      const way = outbound ? 'out' : 'in';
      const inside = outbound
        ? formatEndpoint(tag.inside, tag.insidePort)
        : formatEndpoint(header.destination, header.destinationPort);
      const used = formatEndpoint(outside, outsidePort);
      return (
        `${life.name} translated ${way} ${protocolName(protocol)} ${inside} by ${used}, which ` +
        this.#describeHolder(holder)
      );
    });
    if (this.provisional.isOne(outbound, header, tag, holder, life)) {
      this.provisional.see(life, outbound, header, tag);
      return;
    }
    if (holder === undefined) return;
    const flow = this.#truth.flowOf(holder, tag.remote, tag.remotePort);
    if (flow === undefined) {
      // Opened at a master that was replaced: it is told again.
      if (holder.endedMs === null) this.provisional.see(life, outbound, header, tag);
      return;
    }
    // Of one that has ended, too: it may be told again.
    flow.sightings.see(life, outbound, header.control, this.#config, this.#nowMs());
    if (flow.endedMs !== null && !flow.isLost) return;
    this.#survived(flow, life);
    this.#expected.delete(nameOf(life, outbound, tag));
  }

  /** A packet of a living flow is held by the gateway: by `dueMs` it has to have come out, unless
   * as many wait already as a gateway holds (a machine that stood still finds them all at once). */
  expect(flow: FlowTruth, life: Life, outbound: boolean, tag: Tag): Expectation {
    const packet = nameOf(life, outbound, tag);
    const copies = (this.#expected.get(packet)?.copies ?? 0) + 1;
    const expectation = { flow, life, sinceMs: this.#nowMs(), packet, copies };
    if (this.#waiting(flow, life) < HELD_MAX) this.#expected.set(packet, expectation);
    return expectation;
  }

  #waiting(flow: FlowTruth, life: Life): number {
    let count = 0;
    for (const one of this.#expected.values()) {
      if (one.flow === flow && one.life === life) count += one.copies;
    }
    return count;
  }

  due(expectation: Expectation): void {
    const { flow, life, sinceMs, packet } = expectation;
    if (this.#expected.get(packet) !== expectation) {
      this.#checks.check('I6', true, () => '');
      return;
    }
    this.#expected.delete(packet);
    const nowMs = this.#nowMs();
    const excused =
      life.endedMs !== null ||
      flow.endedMs !== null ||
      this.inGrace(flow.binding.shard) ||
      life.startedMs > sinceMs - 100 ||
      life.troubledMs(sinceMs - AFTERMATH_MS, nowMs) > 0;
    if (excused) return;
    this.#checks.check(
      'I6',
      false,
      () =>
        `${life.name} did not let through a packet of ` +
        `${describeFlow(flow)} (packet ${packet}), though flow, gateway and store are well`,
    );
  }

  /** The store is away for all: what was confirmed lately goes on at once (I7). */
  duringOutage(flow: FlowTruth, life: Life, { header }: Reading, forwarded: boolean): void {
    // A SYN-ACK may answer the next connection's SYN: nobody can say whose it is.
    if (header.protocol === TCP && header.control & SYN) return;
    // Where replicas matter, what the store says counts for as long as its feed was heard.
    const heardMs =
      this.#config.minReplicas === 0 ? Infinity : life.heardMs.get(flow.binding.shard);
    const confirmedMs = Math.min(flow.sightings.confirmedMs(life), heardMs ?? -Infinity);
    const usableMs = confirmedMs + this.#config.cacheLeaseMs * (1 - DRIFT) - TOLERANCE_MS;
    if (usableMs < this.#nowMs() || !flow.sightings.knewOfWaking(life)) return;
    this.#checks.check('I7', forwarded, () => {
      const agoMs = (this.#nowMs() - confirmedMs).toFixed(0);
      return `${life.name} holds a packet of ${describeFlow(flow)}, confirmed ${agoMs} ms ago`;
    });
  }

  #isRight(
    outbound: boolean,
    header: Reading['header'],
    tag: Tag,
    holder: BindingTruth | undefined,
    life: Life,
  ): boolean {
    if (this.provisional.isOne(outbound, header, tag, holder, life)) return true;
    if (holder === undefined) return false;
    if (outbound) {
      if (header.destination !== tag.remote || header.destinationPort !== this.#portTo(header, tag))
        return false;
      if (holder.inside !== tag.inside || holder.insidePort !== tag.insidePort) return false;
    } else {
      if (header.source !== tag.remote) return false;
      if (holder.inside !== header.destination) return false;
      if (holder.insidePort !== header.destinationPort) return false;
    }
    if (holder.endedMs === null) return true;
    const usableMs = this.#config.cacheLeaseMs * (1 + DRIFT) + TOLERANCE_MS;
    // While the store is away for everybody nobody else can have been given it.
    return this.#nowMs() - Math.max(holder.endedMs, this.awayUntilMs()) <= usableMs;
  }

  /** An echo's identifier is both ports. */
  #portTo({ protocol, sourcePort }: Reading['header'], tag: Tag): number {
    return protocol === 1 ? sourcePort : tag.remotePort;
  }

  #describeHolder(holder: BindingTruth | undefined): string {
    if (holder === undefined) return 'was never bound';
    const inside = formatEndpoint(holder.inside, holder.insidePort);
    if (holder.endedMs === null) return `belongs to ${inside}`;
    return `was ${inside}'s until ${(this.#nowMs() - holder.endedMs).toFixed(0)} ms ago`;
  }

  /** The gateway told an inside host that its connection is unknown. */
  #reset(life: Life, outbound: boolean, header: Reading['header']): void {
    const binding = this.#truth.ofInside(
      header.protocol,
      header.destination,
      header.destinationPort,
    );
    const flow = binding && this.#truth.flowOf(binding, header.source, header.sourcePort);
    const nowMs = this.#nowMs();
    const lives =
      flow?.endedMs === null &&
      flow.createdMs < nowMs - ALIVE_MS &&
      flow.sightings.notBeforeMs(this.#config, nowMs) > nowMs;
    this.#checks.check('I6', !outbound && !lives, () =>
      flow === undefined
        ? `${life.name} sent a reset to the outside`
        : `${life.name} reset ${describeFlow(flow)}, which lives`,
    );
  }

  #survived(flow: FlowTruth, life: Life): void {
    const carrier = this.#carriers.get(flow);
    if (carrier === life) return;
    this.#carriers.set(flow, life);
    if (carrier?.killed) this.#checks.check('I6', true, () => '');
  }
}

function nameOf(life: Life, outbound: boolean, { talk, word, sequence, remote }: Tag): string {
  return `${life.name}/${outbound ? 'out' : 'in'}/${talk}/${word}/${sequence}/${remote}`;
}
