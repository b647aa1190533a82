/**
 * Asks the store on behalf of packets that wait: looks flows up, opens new ones, and decides what
 * becomes of the packets when the answer is there.
 *
 * What a packet may do once the store said `no`:
 *
 * | packet                  | from inside        | from outside                     |
 * | ----------------------- | ------------------ | -------------------------------- |
 * | first TCP segment (SYN) | opens              | joins a binding, or see below    |
 * | UDP, ICMP echo request  | opens              | dropped: no binding, or filtered |
 * | any other TCP segment   | is answered by RST | dropped                          |
 * | RST, ICMP echo reply    | dropped            | dropped                          |
 * | ICMP error about a flow | dropped            | dropped                          |
 *
 * Where TCP's filtering is not endpoint-independent, a SYN joins a binding only if its address has
 * a flow there (address-dependent), or not at all. What becomes of one that no binding waits for,
 * or that is filtered, is UnsolicitedSyns' business.
 *
 * Where there are replicas, an RST waits for a read of the shard's feed that was sent no earlier
 * than the question: a master that was replaced answers `no` as well, but no such read.
 */
import { type ClusterConfig, shardOfInside, TCP } from '@flowstore/flow';
import type { FindRequest, FindResult, StoredEntry } from '@flowstore/flow-store';
import { NONE } from '@flowstore/flow-table';
import { inboundFlags, isFirstSegment, outboundFlags, Packet, parseIpv4 } from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import type { FlowCache } from './flow-cache.ts';
import type { FlowCanceller } from './flow-canceller.ts';
import type { FlowReporter } from './flow-reporter.ts';
import { copyFrame, domainOf, type FrameMemory, IP_OFFSET, Side } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { Neighbours } from './neighbours.ts';
import { type Notices, Reason } from './notices.ts';
import type { Opening } from './opener.ts';
import {
  asksToComeIn,
  findRequest,
  insideOf,
  keyOf,
  opensFromInside,
  peerOf,
  takerOf,
} from './packet-question.ts';
import type { ProvisionalFlows } from './provisional-flows.ts';
import { type Asker, type HeldPacket, type Question, Questions } from './questions.ts';
import { Resets } from './resets.ts';
import type { Restorer } from './restorer.ts';
import type { StoreOutbox } from './store-outbox.ts';
import type { GateOutcome, SubscriberGate } from './subscriber-gate.ts';
import type { UnsolicitedSyns } from './unsolicited-syns.ts';

export interface InquirerOptions {
  readonly config: ClusterConfig;
  readonly limits: GatewayLimits;
  readonly cache: FlowCache;
  readonly opener: SubscriberGate;
  readonly provisional: ProvisionalFlows;
  readonly restorer: Restorer;
  readonly reporter: FlowReporter;
  readonly notices: Notices;
  readonly neighbours: Neighbours;
  readonly canceller: FlowCanceller;
  readonly unsolicited: UnsolicitedSyns;
  readonly outbox: StoreOutbox;
  readonly counters: GatewayCounters;
  readonly emit: (side: Side, memory: FrameMemory, length: number) => void;
  /** Has the shard's feed read before it is its turn. */
  readonly readSoon: (shard: number, nowMs: number) => void;
  /** Sends a packet that waited on its way anew. */
  readonly admit: (side: Side, memory: FrameMemory, sinceMs: number, nowMs: number) => void;
}

export class Inquirer {
  readonly #options: InquirerOptions;
  readonly #questions: Questions;
  readonly #resets: Resets;
  /** The held packet that is being looked at; not the one the gateway is working on. */
  readonly #packet = new Packet();

  constructor(options: InquirerOptions) {
    this.#options = options;
    this.#questions = new Questions(options.limits);
    this.#resets = new Resets(options);
  }

  get questions(): number {
    return this.#questions.size;
  }

  /** Of the questions, those for new flows. */
  get openings(): number {
    return this.#questions.openings;
  }

  get heldBytes(): number {
    return this.#questions.heldBytes;
  }

  /** Copies the packet and asks the store about it, unless somebody asks already. */
  hold(
    packet: Packet,
    side: Side,
    memory: FrameMemory,
    offset: number,
    length: number,
    nowMs: number,
  ): void {
    const question = this.#questionFor(packet, side, length, nowMs);
    if (question === null) return;
    this.#options.counters.packetsHeld++;
    const held = { side, memory: copyFrame(memory, offset, length), sinceMs: nowMs };
    this.#add(question, held, nowMs);
  }

  /** The same for a packet that waited before: it is not copied and keeps its age. */
  holdAgain(packet: Packet, held: HeldPacket, nowMs: number): void {
    const question = this.#questionFor(packet, held.side, held.memory.bytes.length, nowMs);
    if (question !== null) this.#add(question, held, nowMs);
  }

  tick(nowMs: number): void {
    for (const question of this.#questions.rested(nowMs)) {
      for (const held of this.#questions.takeHeld(question))
        this.#keepIfYoung(question, held, nowMs);
      if (question.held.length === 0) this.#questions.remove(question);
      else this.#pursue(question, nowMs);
    }
  }

  /** The question that the packet may wait for; null where there is no room, which is counted. */
  #questionFor(packet: Packet, side: Side, bytes: number, nowMs: number): Question | null {
    const { counters } = this.#options;
    const key = keyOf(packet, side, this.#options.cache.widths);
    const known = this.#questions.find(key);
    const question = known ?? this.#questions.add(key, this.#askerOf(packet, side, nowMs));
    const full = typeof question === 'string' ? question : this.#questions.whyFull(question, bytes);
    if (full === null) return question as Question;
    if (full === 'questionsFull') counters.dropQuestionsFull++;
    else if (full === 'openingsFull') counters.dropOpeningsFull++;
    else if (full === 'openingBytesFull') counters.dropOpeningBytesFull++;
    else counters.dropHoldFull++;
    // A question that nobody waits for is none: it would take up a place for ever.
    if (known === undefined && typeof question !== 'string') this.#questions.remove(question);
    return null;
  }

  /** A SYN of a closing flow is a new flow as well. */
  #askerOf(packet: Packet, side: Side, nowMs: number): Asker {
    const { cache } = this.#options;
    const taker = takerOf(packet, side);
    if (side === Side.Outside) return { taker, opens: isFirstSegment(packet) };
    const slot = cache.lookup(side, packet, nowMs);
    const opens = opensFromInside(packet) && (slot === NONE || cache.isClosing(slot));
    return { taker, opens };
  }

  #add(question: Question, held: HeldPacket, nowMs: number): void {
    const isNew = question.held.length === 0 && question.restingUntilMs === 0;
    this.#questions.hold(question, held);
    if (isNew) this.#pursue(question, nowMs);
  }

  #keepIfYoung(question: Question, held: HeldPacket, nowMs: number): void {
    if (nowMs - held.sinceMs < this.#options.limits.holdMs) this.#questions.hold(question, held);
    else this.#options.counters.dropHoldTimeout++;
  }

  /** Asks what the first packet that waits needs to know. */
  #pursue(question: Question, nowMs: number): void {
    question.restingUntilMs = 0;
    const { cache } = this.#options;
    const { side, sinceMs } = question.held[0]!;
    const packet = this.#read(question.held[0]!);
    const slot = cache.lookup(side, packet, nowMs);
    const replaces = isFirstSegment(packet) && slot !== NONE && cache.isClosing(slot);
    if (replaces) {
      const inside = cache.insideOf(slot);
      const identity = cache.identityOf(slot);
      this.#open(question, packet, { side, inside, sinceMs, replaces: identity }, nowMs);
    } else if (slot === NONE && side === Side.Inside && opensFromInside(packet)) {
      this.#open(question, packet, { side, inside: insideOf(packet), sinceMs }, nowMs);
    } else {
      this.#find(question, packet, side, nowMs);
    }
  }

  #find(question: Question, packet: Packet, side: Side, nowMs: number): void {
    this.#options.counters.questionsAsked++;
    const request = findRequest(packet, side, this.#options.cache.widths);
    const queued = this.#options.outbox.ask(
      'find',
      () => request,
      (result, sentMs, answeredMs) => this.#onFound(question, request, result, sentMs, answeredMs),
    );
    if (!queued) this.#rest(question, nowMs + this.#options.limits.retryMs);
  }

  #onFound(
    question: Question,
    request: FindRequest,
    result: FindResult | null,
    sentMs: number,
    nowMs: number,
  ): void {
    const { cache, canceller, config, counters, limits, neighbours } = this.#options;
    const { remote } = request;
    if (result === null) {
      this.#rest(question, nowMs + limits.retryMs);
      return;
    }
    if (result.kind === 'notYet') {
      this.#onNotYet(question, nowMs);
      return;
    }
    const isForbidden = result.kind === 'entry' && !canceller.allowsEntry(result.entry, remote);
    if (isForbidden) {
      canceller.cancelEntry(result.entry);
      question.absentSinceMs = Math.min(question.absentSinceMs, sentMs);
      this.#onAbsent(question, null, false, nowMs);
      return;
    }
    const known = result.kind === 'entry' && (remote === null || result.entry.flow !== null);
    if (!known) {
      counters.notInStore++;
      question.absentSinceMs = Math.min(question.absentSinceMs, sentMs);
      const entry = result.kind === 'entry' ? result.entry : null;
      const { tcp } = config.filtering;
      if (entry !== null && tcp === 'address-dependent' && this.#hasSynFromOutside(question)) {
        this.#askForAddress(question, request, entry, nowMs);
      } else this.#onAbsent(question, entry, tcp === 'endpoint-independent', nowMs);
      return;
    }
    counters.foundInStore++;
    neighbours.expect(result.entry, remote, nowMs);
    const slot = cache.install(result.entry, remote, sentMs, nowMs);
    if (slot !== NONE) this.#goOn(question, slot, nowMs);
    else counters.dropTableFull += this.#giveUp(question, nowMs);
  }

  /** A packet that wakes a flow in its last moments leaves once the store heard of it. */
  #goOn(question: Question, slot: number, nowMs: number): void {
    const { cache, limits, reporter } = this.#options;
    const isKept = (held: HeldPacket) => cache.isKeptBy(held.side, this.#read(held));
    const waker = cache.isEnding(slot, nowMs) ? question.held.find(isKept) : undefined;
    if (waker === undefined) {
      this.#release(question, slot, nowMs);
      return;
    }
    reporter.wake(slot, waker.sinceMs, nowMs, (outcome, answeredMs) => {
      const woken = cache.lookup(waker.side, this.#read(waker), answeredMs);
      if (outcome === 'held' && woken !== NONE) this.#release(question, woken, answeredMs);
      else this.#rest(question, answeredMs + (outcome === 'lost' ? 0 : limits.retryMs));
    });
  }

  #hasSynFromOutside({ held }: Question): boolean {
    return held.some((one) => one.side === Side.Outside && isFirstSegment(this.#read(one)));
  }

  /** Whether a SYN is let in may depend on whether its address has any flow on the binding. */
  #askForAddress(question: Question, request: FindRequest, entry: StoredEntry, nowMs: number) {
    const remote = { address: request.remote!.address, port: 0 };
    const queued = this.#options.outbox.ask(
      'find',
      () => ({ ...request, remote }),
      (result, _sentMs, answeredMs) => {
        if (result === null || result.kind === 'notYet') {
          this.#rest(question, answeredMs + this.#options.limits.retryMs);
          return;
        }
        const isKnown = result.kind === 'entry' && result.entry.flow !== null;
        this.#onAbsent(question, entry, isKnown, answeredMs);
      },
    );
    if (!queued) this.#rest(question, nowMs + this.#options.limits.retryMs);
  }

  /** In grace: a holder says what it holds; who holds nothing waits for whoever does. */
  #onNotYet(question: Question, nowMs: number): void {
    const { cache, counters, limits, restorer } = this.#options;
    counters.notYet++;
    const first = question.held[0]!;
    const slot = cache.lookup(first.side, this.#read(first), nowMs);
    if (slot === NONE) {
      this.#rest(question, nowMs + limits.retryMs);
      return;
    }
    restorer.restore(slot, nowMs, (outcome, answeredMs) => {
      if (outcome === 'held') this.#release(question, slot, answeredMs);
      else this.#rest(question, answeredMs + limits.retryMs);
    });
  }

  /** The store has no such flow; `entry` is the binding that it has, if any, and `letsIn` whether
   * that takes in a SYN. */
  #onAbsent(question: Question, entry: StoredEntry | null, letsIn: boolean, nowMs: number): void {
    const { cache, counters, limits } = this.#options;
    const openers: HeldPacket[] = [];
    for (const held of this.#questions.takeHeld(question)) {
      const packet = this.#read(held);
      const slot = cache.lookup(held.side, packet, nowMs);
      // What the table held of it was stale, and is gone from the store.
      if (slot !== NONE && !cache.isFresh(slot, nowMs)) cache.table.remove(slot);
      const isFromOutside = held.side === Side.Outside;
      if (!isFromOutside && opensFromInside(packet)) openers.push(held);
      else if (entry !== null && isFirstSegment(packet) && letsIn) openers.push(held);
      else if (isFromOutside && (entry === null || asksToComeIn(packet))) {
        this.#dropUnasked(held, packet, entry, nowMs);
      } else if (this.#isSurelyAbsent(question, held, packet, nowMs)) {
        counters.dropNoFlow++;
        if (held.side === Side.Inside) this.#resets.answer(held.memory, packet);
      } else this.#keepIfYoung(question, held, nowMs);
    }
    const first = openers[0];
    if (first === undefined) {
      this.#rest(question, nowMs + limits.askAgainMs);
      return;
    }
    for (const held of openers) this.#questions.hold(question, held);
    const { side, sinceMs } = first;
    const packet = this.#read(first);
    const inside = side === Side.Inside ? insideOf(packet) : entry!.inside;
    this.#open(question, packet, { side, inside, sinceMs }, nowMs);
  }

  /** From outside, where nothing was sent to: there is no binding, or it lets not everybody in. */
  #dropUnasked(
    { memory, side }: HeldPacket,
    packet: Packet,
    entry: StoredEntry | null,
    nowMs: number,
  ): void {
    const { cache, counters, unsolicited } = this.#options;
    if (entry === null) counters.dropNoBinding++;
    else counters.dropFiltered++;
    if (!isFirstSegment(packet)) return;
    unsolicited.add(memory, findRequest(packet, side, cache.widths), nowMs);
  }

  /** Whether the peer may be told so. */
  #isSurelyAbsent({ absentSinceMs }: Question, held: HeldPacket, packet: Packet, nowMs: number) {
    if (held.side === Side.Outside || packet.protocol !== TCP) return true;
    const shard = shardOfInside(insideOf(packet));
    if (this.#options.cache.freshness.isHeardSince(shard, absentSinceMs)) return true;
    this.#options.readSoon(shard, nowMs);
    return false;
  }

  #open(question: Question, packet: Packet, subject: OpenSubject, nowMs: number): void {
    const { side, inside, sinceMs, replaces = null } = subject;
    const outbound = side === Side.Inside;
    const remote = this.#options.cache.widths.remote(packet.protocol, peerOf(packet, side));
    const flags = outbound ? outboundFlags(packet) : inboundFlags(packet);
    const opening = { inside, remote, mayBind: outbound, replaces, flags, seenMs: sinceMs };
    this.#options.opener.open(opening, nowMs, (outcome, answeredMs) =>
      this.#onOpened(question, opening, outcome, answeredMs),
    );
  }

  #onOpened(
    question: Question,
    { remote, seenMs }: Opening,
    outcome: GateOutcome,
    nowMs: number,
  ): void {
    const { cache, canceller, counters, limits, neighbours, provisional } = this.#options;
    if (outcome.kind === 'noAnswer') {
      this.#rest(question, nowMs + limits.retryMs);
      return;
    }
    if (outcome.kind === 'entry' && !canceller.allowsEntry(outcome.entry, remote)) {
      canceller.cancelEntry(outcome.entry);
      this.#rest(question, nowMs + limits.retryMs);
      return;
    }
    if (outcome.kind === 'entry') neighbours.expect(outcome.entry, remote, nowMs);
    if (outcome.kind === 'entry' || outcome.kind === 'provisional') {
      const isStored = outcome.kind === 'entry';
      const slot = isStored
        ? cache.install(outcome.entry, remote, outcome.sentMs, nowMs)
        : provisional.open(outcome.opening, nowMs);
      if (slot === NONE) {
        counters.dropTableFull += this.#giveUp(question, nowMs);
        return;
      }
      if (isStored) {
        const { binding, flow } = outcome.entry;
        cache.noteReport(slot, flow ?? binding, seenMs, outcome.sentMs);
      }
      this.#release(question, slot, nowMs);
      return;
    }
    const exhausted = outcome.kind === 'portsExhausted';
    if (outcome.kind !== 'noBinding') {
      this.#tell(question, exhausted ? Reason.NoPort : Reason.Limit, nowMs);
    }
    const dropped = this.#giveUp(question, nowMs);
    if (outcome.kind === 'limit') counters.dropFlowLimit += dropped;
    else if (outcome.kind === 'subscriberLimit') counters.dropSubscriberLimit += dropped;
    else if (outcome.kind === 'subscriberRate') counters.dropSubscriberRate += dropped;
    else if (outcome.kind === 'noBinding') counters.dropNoBinding += dropped;
    else counters.dropPortsExhausted += dropped;
  }

  /**
   * The answer is in the table: the packets go on, in the order in which they came. Not while the
   * shard's feed is not heard: then the answer may be that of a master that was replaced.
   */
  #release(question: Question, slot: number, nowMs: number): void {
    const { cache, limits } = this.#options;
    if (!cache.isFresh(slot, nowMs)) {
      this.#rest(question, nowMs + limits.retryMs);
      return;
    }
    const held = this.#questions.takeHeld(question);
    this.#questions.remove(question);
    for (const { side, memory, sinceMs } of held) {
      if (nowMs - sinceMs < limits.holdMs) {
        this.#options.admit(side, memory, sinceMs, nowMs);
      } else this.#options.counters.dropHoldTimeout++;
    }
  }

  /** Tells the senders inside why their packets open nothing. */
  #tell(question: Question, reason: Reason, nowMs: number): void {
    for (const { side, memory } of question.held) {
      if (side === Side.Inside) this.#options.notices.tell(side, memory, 0, reason, 0, nowMs);
    }
  }

  /** Drops what waits, and rests before the key is asked about again; returns how many. */
  #giveUp(question: Question, nowMs: number): number {
    this.#rest(question, nowMs + this.#options.limits.askAgainMs);
    return this.#questions.takeHeld(question).length;
  }

  #rest(question: Question, untilMs: number): void {
    question.restingUntilMs = untilMs;
  }

  /** Reads a held packet again; it was read once before it was held, so it is well formed. */
  #read({ side, memory }: HeldPacket): Packet {
    this.#packet.domain = domainOf(side, memory);
    parseIpv4(memory.view, IP_OFFSET, memory.bytes.length - IP_OFFSET, this.#packet);
    return this.#packet;
  }
}

type OpenSubject = Omit<HeldPacket, 'memory'> & Pick<Opening, 'inside'> & Partial<Opening>;
