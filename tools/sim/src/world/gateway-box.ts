/**
 * A gateway's machine: it runs one gateway-core the way apps/gateway does, on its own clock, and
 * can be killed, stopped, paused and suspended. Pausing holds packets and replies back; suspending
 * loses the packets.
 */
import type { Terms } from '@flowstore/flow-store';
import type { ModelServer } from '@flowstore/flow-store/testing';
import {
  type FrameMemory,
  GatewayCore,
  type GoingBy,
  type PeerMessage,
  Side,
  type StoreCall,
  type StoreReply,
  Verdict,
} from '@flowstore/gateway-core';
import { formatHeader, readPacket } from '../packet.ts';
import type { BoxOptions, CoreTamper } from './box-options.ts';
import { Life } from './life.ts';
import { PolicyFollower } from './policy.ts';
import type { StoreLink } from './store-link.ts';

/** With packets waiting for the store a gateway looks at its timers so often. */
const BUSY_TICK_MS = 10;
/** Without traffic there is no hurry. */
const RESTING_TICK_MS = 1_000;
const BACKLOG_MAX = 256;
const JOIN_RETRY_MS = 300;
/** A graceful stop waits no longer for the last words. */
const FINISH_MS = 2_000;

type Work = () => void;

export class GatewayBox {
  readonly name: string;
  readonly link: StoreLink;
  life: Life | null = null;
  core: GatewayCore | null = null;
  /** The store is away for everybody: I7 is looked at. */
  outage = false;
  readonly #options: BoxOptions;
  readonly #clockRate: number;
  readonly #clockBaseMs: number;
  #lives = 0;
  #troubles = 0;
  #frozen: 'paused' | 'suspended' | null = null;
  #suspendedMs = 0;
  #frozenSinceMs = 0;
  #backlog: Work[] = [];
  #tickToken = 0;
  #nextTickMs = 0;
  #tamper: CoreTamper | null = null;
  #tickMs: number;
  #follower: PolicyFollower;
  readonly #inFlight = new Map<string, number>();

  constructor(options: BoxOptions) {
    this.#options = options;
    this.name = `gw${options.index + 1}`;
    this.link = options.link;
    this.#tickMs = options.tickMs;
    this.#follower = new PolicyFollower(options.file.config, options.goesByOne);
    this.#clockRate = 1 + options.random.between(-1e-4, 1e-4);
    this.#clockBaseMs = Math.floor(options.random.between(1e3, 1e9));
  }

  get isRunning(): boolean {
    return this.life !== null && this.#frozen === null;
  }

  /** Whether it takes traffic, and has the time to. */
  get isServing(): boolean {
    return this.isRunning && this.core !== null;
  }

  /** The machine's clock since its boot, suspended time included; slightly fast or slow. */
  clockMs(): number {
    const nowMs = this.#options.timeline.nowMs - this.#suspendedMs;
    return this.#clockBaseMs + nowMs * this.#clockRate;
  }

  /** Joins, and takes traffic once it has. */
  start(): void {
    const { index, random, timeline, log, witness, file, goesByOne } = this.#options;
    witness.outages.disturbed();
    this.#follower = new PolicyFollower(file.config, goesByOne);
    this.link.policy = this.#follower.policy;
    const life = new Life(index, ++this.#lives, random.hex16(), timeline.nowMs);
    this.life = life;
    witness.lives.push(life);
    for (let i = 0; i < this.#troubles; i++) life.beginTrouble(timeline.nowMs);
    log.line(timeline.nowMs, `${life.name} starts`);
    this.#join(life);
  }

  /** Something troubles this machine's way to the store, whichever life it lives. */
  beginTrouble(): void {
    this.#troubles++;
    this.life?.beginTrouble(this.#options.timeline.nowMs);
  }

  endTrouble(): void {
    this.#troubles--;
    this.life?.endTrouble(this.#options.timeline.nowMs);
  }

  /** No last words. The routers are another matter. */
  kill(): void {
    if (this.life === null) return;
    this.#options.log.line(this.#options.timeline.nowMs, `${this.life.name} is killed`);
    this.life.killed = true;
    this.#end();
  }

  /** Says what the store should still hear, and ends. */
  stop(): void {
    const { life, core } = this;
    if (life === null) return;
    this.#routes(false);
    if (core === null || this.#frozen !== null) {
      this.kill();
      return;
    }
    life.isStopping = true;
    core.finish(this.clockMs());
    this.#pump();
    this.#options.timeline.after(FINISH_MS, () => {
      if (this.life !== life) return;
      if (!core.settled) life.killed = true;
      this.#end();
    });
  }

  freeze(how: 'paused' | 'suspended'): void {
    if (this.life === null || this.#frozen !== null) return;
    this.#options.witness.outages.disturbed();
    this.#frozen = how;
    this.#frozenSinceMs = this.#options.timeline.nowMs;
    this.life.beginTrouble(this.#frozenSinceMs);
    this.#options.log.line(this.#frozenSinceMs, `${this.life.name} is ${how}`);
  }

  thaw(): void {
    if (this.life === null || this.#frozen === null) return;
    const { timeline, clockStops, log } = this.#options;
    if (clockStops) this.#suspendedMs += timeline.nowMs - this.#frozenSinceMs;
    this.#frozen = null;
    this.#options.witness.outages.disturbed();
    this.life.endTrouble(timeline.nowMs);
    log.line(timeline.nowMs, `${this.life.name} goes on`);
    for (const work of this.#backlog.splice(0)) work();
    this.#tick();
  }

  /** No packets come any more. */
  rest(): void {
    // A tick later than a heartbeat would be a silence.
    const tickMs = Math.min(RESTING_TICK_MS, this.#options.file.config.heartbeatMs / 2);
    this.#tickMs = Math.max(this.#tickMs, tickMs);
  }

  /** A packet came in on `side`. */
  receive(side: Side, frame: FrameMemory): void {
    if (this.life === null || this.core === null || this.#frozen === 'suspended') return;
    if (this.#frozen === null) this.#process(side, frame);
    else if (this.#backlog.length < BACKLOG_MAX) {
      this.#backlog.push(() => this.#process(side, frame));
    }
  }

  #join(life: Life): void {
    const { timeline } = this.#options;
    const member = this.#member(life);
    this.#askDirectory(
      (directory) => directory.join(member),
      (result) => {
        if (this.life !== life) return;
        if (result?.kind === 'joined') {
          this.#whenAwake(life, () => {
            this.#follow(life, result.terms);
            this.#begin(life);
            this.#knowPeers(result.members);
          });
          return;
        }
        // Whoever starts with a file of its own is given the right one, and starts again.
        if (result?.kind === 'configMismatch') this.#follow(life, result.terms);
        if (result?.kind === 'notInitialised' && this.core !== null) this.#restore(life);
        else timeline.after(JOIN_RETRY_MS, () => this.life === life && this.#join(life));
      },
    );
  }

  /** The store lost everything: whoever had joined writes the configuration back. */
  #restore(life: Life): void {
    this.#askDirectory(
      (directory) => directory.initialise('restored'),
      () => this.life === life && this.#join(life),
    );
  }

  #askDirectory<T>(ask: (directory: ModelServer) => T, onReply: (result: T | null) => void): void {
    this.link.send((server) => this.#options.site.askDirectory(server, ask), onReply);
  }

  /** Goes by what the deployment goes by, from the next call on. */
  #follow(life: Life, terms: Terms): void {
    life.catchUp(this.#options.timeline.nowMs);
    if (!this.#follower.hear(terms)) return;
    this.link.policy = this.#follower.policy;
    const { config } = this.#goingBy;
    this.#options.log.line(this.#options.timeline.nowMs, `${life.name} goes by ${config.version}`);
    this.core?.goBy(this.#goingBy, this.clockMs());
  }

  get #goingBy(): GoingBy {
    const { goingBy } = this.#follower;
    return { ...goingBy, config: this.#options.coreConfig(goingBy.config) };
  }

  #begin(life: Life): void {
    if (this.core !== null) return;
    const { limits, policies, random, newTamper, witness } = this.#options;
    witness.outages.disturbed();
    this.#tamper = newTamper();
    this.#inFlight.clear();
    this.core = new GatewayCore({
      config: this.#goingBy.config,
      limits,
      policies,
      incarnation: life.incarnation,
      random: () => random.next(),
      nowMs: this.clockMs(),
      emit: (side, frame, length) => this.#leave(life, side, frame, length),
    });
    this.core.goBy(this.#goingBy, this.clockMs());
    this.#routes(true);
    this.#armTick(this.#tickMs);
    this.#beat(life);
  }

  #beat(life: Life): void {
    this.#options.timeline.after(this.#options.file.config.heartbeatMs, () => {
      if (this.life !== life) return;
      this.#beat(life);
      if (this.#frozen !== null) return;
      const member = this.#member(life);
      const { stance } = this.#follower;
      this.#askDirectory(
        (directory) => directory.heartbeat(member, stance),
        (result) => {
          if (this.life !== life || result === null) return;
          if (result.kind === 'unknown') this.#join(life);
          else {
            this.#whenAwake(life, () => {
              this.#follow(life, result.terms);
              this.#knowPeers(result.members);
            });
          }
        },
      );
    });
  }

  #member({ gateway, incarnation }: Life) {
    const controlUrl = `http://192.0.2.${101 + gateway}:9464`;
    return { name: this.name, incarnation, controlUrl, peerAddress: null };
  }

  #knowPeers(members: readonly { readonly name: string }[]): void {
    const names = members.map(({ name }) => name).filter((name) => name !== this.name);
    this.core?.setPeers(names, this.clockMs());
    this.#pump();
  }

  /** Another gateway says something. Who has not joined in this life never heard the store. */
  hearPeer(from: string, message: PeerMessage): void {
    const { life } = this;
    if (life === null || this.#frozen === 'suspended') return;
    this.#whenAwake(life, () => {
      if (this.core !== null) {
        this.core.peerMessage(from, message, this.clockMs());
        this.#pump();
      } else if (message.kind === 'ask') {
        const answer = { kind: 'contact', round: message.round, heardAgeMs: null } as const;
        this.#options.peers.send(this.name, from, answer);
      }
    });
  }

  #process(side: Side, frame: FrameMemory): void {
    const { life, core } = this;
    if (life === null || core === null) return;
    const { witness, timeline, limits, log } = this.#options;
    const { translations } = witness;
    const outbound = side === Side.Inside;
    const { length } = frame.bytes;
    const before = readPacket(frame, length);
    const flow = translations.flowOf(outbound, before);
    const mustLeave = translations.isAlive(flow, before);
    const verdict = core.process(side, frame, 0, length, this.clockMs());
    const forwarded = verdict === Verdict.Forward;
    if (!forwarded) {
      log.line(timeline.nowMs, `hold   ${life.name} ${formatHeader(before.header)}`);
      flow?.sightings.wait(life, outbound, before.header.control, timeline.nowMs);
    }
    witness.outages.packet(flow, life, before, forwarded);
    if (mustLeave && this.outage) translations.duringOutage(flow, life, before, forwarded);
    if (forwarded) {
      this.#leave(life, outbound ? Side.Outside : Side.Inside, frame, length);
    } else if (mustLeave && before.tag !== null) {
      const expectation = translations.expect(flow, life, outbound, before.tag);
      timeline.after(limits.holdMs + 500, () => translations.due(expectation));
    }
    this.#pump();
  }

  #leave(life: Life, side: Side, frame: FrameMemory, length: number): void {
    const { witness, network, log, timeline } = this.#options;
    const reading = readPacket(frame, length);
    const { header } = reading;
    log.number(Math.floor(timeline.nowMs * 16));
    log.number(header.source ^ header.destination);
    log.number((header.sourcePort << 16) | header.destinationPort);
    witness.translations.forwarded(life, side === Side.Outside, reading);
    network.toHost(side, frame);
  }

  /** Carries calls to the store, and looks again soon while packets wait. */
  #pump(): void {
    const { life, core } = this;
    if (life === null || core === null) return;
    for (const call of core.takeCalls(this.clockMs())) this.#send(life, call);
    for (const { to, message } of core.takePeerMessages()) {
      this.#options.peers.send(this.name, to, message);
    }
    if (this.#isBusy(core)) this.#armTick(BUSY_TICK_MS);
  }

  #isBusy(core: GatewayCore): boolean {
    return !core.settled && core.gauges.questions > 0;
  }

  #send(life: Life, original: StoreCall): void {
    const { site, witness, timeline } = this.#options;
    const call = this.#tamper?.call(original, timeline.nowMs) ?? original;
    if ('results' in call) {
      timeline.after(0, () => this.#whenAwake(life, () => this.#reply(original, call)));
      return;
    }
    const sentMs = timeline.nowMs;
    const { id, operation } = call;
    const inFlight = (this.#inFlight.get(operation) ?? 0) + 1;
    this.#inFlight.set(operation, inFlight);
    witness.bounds.call(life, call, inFlight);
    witness.endings.callSent(life, call, witness.truth);
    let isKept = false;
    this.link.send(
      (server) => {
        isKept = server === site.master;
        return site.perform(server, call);
      },
      (results) => {
        if (this.life !== life) return;
        this.#inFlight.set(operation, this.#inFlight.get(operation)! - 1);
        const reply = { id, results };
        const heard = this.#tamper?.reply(original, reply, timeline.nowMs) ?? reply;
        this.#whenAwake(life, () => {
          if (results !== null) witness.confirmed(life, call, results, { sentMs, isKept });
          this.#reply(original, heard);
        });
      },
    );
  }

  #reply(_call: StoreCall, reply: StoreReply): void {
    this.core?.reply(reply, this.clockMs());
    this.#pump();
  }

  /** What comes to a machine that stands still waits until it goes on. */
  #whenAwake(life: Life, work: Work): void {
    if (this.life !== life) return;
    if (this.#frozen === null) work();
    else this.#backlog.push(() => this.life === life && work());
  }

  #armTick(delayMs: number): void {
    const { timeline } = this.#options;
    const atMs = timeline.nowMs + delayMs;
    if (this.#tickToken !== 0 && this.#nextTickMs <= atMs && this.#nextTickMs > timeline.nowMs) {
      return;
    }
    this.#nextTickMs = atMs;
    const token = ++this.#tickToken;
    timeline.at(atMs, () => {
      if (token === this.#tickToken && this.#frozen === null) this.#tick();
    });
  }

  #tick(): void {
    const { life, core } = this;
    if (life === null || core === null) return;
    core.tick(this.clockMs());
    if (core.isReplanned) this.#follower.done();
    this.#pump();
    this.#options.witness.bounds.gauges(life, core.gauges);
    this.#armTick(this.#isBusy(core) ? BUSY_TICK_MS : this.#tickMs);
  }

  #routes(up: boolean): void {
    const { network, index } = this.#options;
    for (const router of network.routers) {
      if (up) router.add(index);
      else router.remove(index);
    }
  }

  #end(): void {
    const { life } = this;
    this.#options.witness.outages.disturbed();
    life!.endedMs = this.#options.timeline.nowMs;
    this.life = null;
    this.core = null;
    this.#frozen = null;
    this.#backlog = [];
    this.#tickToken++;
    this.#nextTickMs = 0;
  }
}
