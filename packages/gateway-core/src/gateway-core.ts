/**
 * A gateway without I/O: packets and store replies in, packets and store calls out.
 *
 * ```
 *              process()                        hit, fresh
 *   packet ---------------> parse --> lookup ----------------> rewrite --> Forward
 *                             |         |
 *                    malformed|         | miss, or no longer fresh: hold, ask once per key
 *                             v         v
 *                           drop     question --- takeCalls() --> store --- reply() --+
 *                                       ^                                             |
 *                                       |   entry: into the table, its packets go on  |
 *                                       +-- no: open (new from inside), reset or drop +
 * ```
 *
 * Nothing here waits, reads a clock or draws a random number of its own.
 */
import type { ClusterConfig } from '@flowstore/flow';
import { FlowTable } from '@flowstore/flow-table';
import { GatewayCounters } from './counters.ts';
import { FeedReader } from './feed-reader.ts';
import { FlowCache } from './flow-cache.ts';
import { FlowCanceller } from './flow-canceller.ts';
import { FlowReporter } from './flow-reporter.ts';
import { Foresight } from './foresight.ts';
import { Fragments } from './fragments.ts';
import type { FrameMemory, Side, Verdict } from './frame.ts';
import { HandOver } from './hand-over.ts';
import { Inquirer } from './inquirer.ts';
import type { GoingBy } from './lifetimes.ts';
import type { GatewayLimits } from './limits.ts';
import { Neighbours } from './neighbours.ts';
import { Notices, type OwnLink } from './notices.ts';
import { Opener } from './opener.ts';
import { Outage, type OutageState } from './outage.ts';
import { PacketPath } from './packet-path.ts';
import type { Envelope, PeerMessage } from './peer-message.ts';
import { DEFAULT_POLICIES, type Policies } from './policies.ts';
import { PortKeeper } from './port-keeper.ts';
import { ProvisionalFlows } from './provisional-flows.ts';
import { Reconfirmer } from './reconfirmer.ts';
import { Replanner } from './replanner.ts';
import { Restorer } from './restorer.ts';
import type { StoreCall, StoreReply } from './store-call.ts';
import { StoreOutbox } from './store-outbox.ts';
import { SubscriberAccounts } from './subscriber-accounts.ts';
import { SubscriberGate } from './subscriber-gate.ts';
import { TranslationRules } from './translation-rules.ts';
import { UnsolicitedSyns } from './unsolicited-syns.ts';

export interface GatewayOptions {
  readonly config: ClusterConfig;
  readonly limits: GatewayLimits;
  readonly policies?: Policies;
  /** 16 hexadecimal digits: this run of this gateway. */
  readonly incarnation: string;
  /** Uniform 32-bit numbers, not to be guessed from outside (RFC 6056). */
  readonly random: () => number;
  readonly nowMs: number;
  /**
   * Takes a packet that leaves on its own: one that waited for the store, or one made here. The
   * frame is the taker's to keep; its Ethernet header is still to be written.
   */
  readonly emit: (side: Side, memory: FrameMemory, length: number) => void;
}

export class GatewayCore {
  readonly counters = new GatewayCounters();
  readonly #config: ClusterConfig;
  readonly #outbox: StoreOutbox;
  readonly #cache: FlowCache;
  readonly #foresight: Foresight;
  readonly #reporter: FlowReporter;
  readonly #ports: PortKeeper;
  readonly #subscribers: SubscriberAccounts;
  readonly #feed: FeedReader;
  readonly #outage: Outage;
  readonly #handOver: HandOver;
  readonly #provisional: ProvisionalFlows;
  readonly #reconfirmer: Reconfirmer;
  readonly #replanner: Replanner;
  readonly #limits: GatewayLimits;
  readonly #inquirer: Inquirer;
  readonly #neighbours: Neighbours;
  readonly #fragments: Fragments;
  readonly #notices: Notices;
  readonly #unsolicited: UnsolicitedSyns;
  readonly #path: PacketPath;
  readonly #rules: TranslationRules;
  #highWaterTaken = 0;

  constructor(options: GatewayOptions) {
    const { limits, random, nowMs, policies = DEFAULT_POLICIES } = options;
    const { counters } = this;
    // All parts have this very object, and look into it when they need to: see `goBy`.
    const config = { ...options.config };
    this.#config = config;
    this.#limits = limits;
    const rules = new TranslationRules({ holds: config, next: null });
    this.#rules = rules;
    this.#outbox = new StoreOutbox(limits);
    const table = newTable(limits, random(), nowMs);
    this.#cache = new FlowCache(table, config, random);
    const cache = this.#cache;
    this.#foresight = new Foresight(table, limits.prefetchFlowsMin, cache.widths);
    const { freshness } = cache;
    this.#outage = new Outage({ ...options, config, policies, freshness, counters });
    const outage = this.#outage;
    const restorer = new Restorer(cache, this.#outbox, counters);
    const outbox = this.#outbox;
    const admit = this.#readmit;
    const shared = { ...options, config, policies, cache, outbox, counters, outage, admit, rules };
    const reporter = new FlowReporter({ ...shared, restorer });
    this.#reporter = reporter;
    this.#ports = new PortKeeper(shared);
    this.#subscribers = new SubscriberAccounts(shared);
    this.#handOver = new HandOver(outage, this.#ports, shared);
    this.#provisional = new ProvisionalFlows(shared, this.#ports.blocks);
    this.#ports.onLost = (range, block) => this.#provisional.leaseEnded(range, block);
    const provisional = this.#provisional;
    const opener = new Opener({ ...shared, ports: this.#ports, provisional });
    this.#reconfirmer = new Reconfirmer({ ...shared, restorer, reporter });
    const canceller = new FlowCanceller(shared);
    this.#replanner = new Replanner(this.#cache, reporter, canceller);
    this.#feed = new FeedReader({
      ...shared,
      onGap: (_shard, atMs) => this.#reconfirmer.start(atMs),
      onGrace: (shard) => this.#ports.renewShard(shard),
      onLease: (event) => this.#ports.heard(event),
      report: (slot, atMs) => reporter.touch(slot, atMs),
    });
    this.#notices = new Notices(shared);
    const notices = this.#notices;
    this.#unsolicited = new UnsolicitedSyns({ ...shared, notices });
    this.#neighbours = new Neighbours({ ...shared, canceller });
    this.#inquirer = new Inquirer({
      ...shared,
      notices,
      neighbours: this.#neighbours,
      canceller,
      unsolicited: this.#unsolicited,
      opener: new SubscriberGate(this.#subscribers, opener),
      provisional,
      restorer,
      reporter,
      readSoon: (shard, atMs) => this.#feed.readSoon(shard, atMs),
    });
    this.#fragments = new Fragments(shared);
    this.#path = new PacketPath({
      ...shared,
      reporter,
      handOver: this.#handOver,
      inquirer: this.#inquirer,
      fragments: this.#fragments,
      notices,
    });
  }

  /**
   * Says that this packet will be processed soon, after others that were read with it. It changes
   * nothing but how long that takes.
   */
  announce(side: Side, memory: FrameMemory, offset: number, length: number): void {
    this.#foresight.announce(side, memory, offset, length);
  }

  /**
   * Takes a packet that came in on `side`: the frame at `offset` of `memory`, `length` bytes from
   * virtio-net header to the end of the IP packet. Unless it is Done with, the IP packet was
   * rewritten in place.
   */
  process(side: Side, memory: FrameMemory, offset: number, length: number, nowMs: number): Verdict {
    this.#foresight.look();
    return this.#path.process(side, memory, offset, length, nowMs);
  }

  /** The inside network that the packet processed last goes to, if it goes inside. */
  get domain(): number {
    return this.#path.domain;
  }

  /** The store calls that may leave now. */
  takeCalls(nowMs: number): StoreCall[] {
    return this.#outbox.take(nowMs);
  }

  reply(reply: StoreReply, nowMs: number): void {
    this.#outage.replied(reply.results !== null, nowMs);
    this.#outbox.reply(reply, nowMs);
  }

  /**
   * Goes by another configuration from now on, as the store's calls do already. Of what may change
   * while gateways run only (flow-store, config-change.ts): the rest is not looked at again.
   */
  goBy(to: GoingBy, nowMs: number): void {
    Object.assign(this.#config, to.config);
    this.#rules.change(to.rules);
    this.#ports.rulesChanged();
    this.#cache.lifetimes.change(to, nowMs);
    this.#replanner.start();
  }

  /** Whether all flows are reported by what it goes by. */
  get isReplanned(): boolean {
    return this.#replanner.isDone;
  }

  /** What the gateway has on a side (inside: for a domain), for what it says and does about packets
   * itself. */
  setLink(side: Side, link: OwnLink, domain = 0): void {
    this.#notices.setLink(side, link, domain);
  }

  /** A packet that waited goes on its way anew. */
  readonly #readmit = (side: Side, memory: FrameMemory, sinceMs: number, nowMs: number): void => {
    this.#path.readmit(side, memory, sinceMs, nowMs);
  };

  /** How many gateways there are, as of the last heartbeat: they share ports, and the rate of each
   * subscriber. */
  setGateways(count: number): void {
    this.#subscribers.gateways = Math.max(1, count);
    this.#ports.gateways = Math.max(1, count);
  }

  /** The other members by name, as of the last heartbeat; null where they can't be asked. */
  setPeers(names: readonly string[] | null, nowMs: number): void {
    this.#outage.setPeers(names, nowMs);
  }

  /** What may leave for other gateways now. */
  takePeerMessages(): Envelope[] {
    return this.#outage.takeMessages();
  }

  peerMessage(from: string, message: PeerMessage, nowMs: number): void {
    if (message.kind === 'packet') this.#path.takeOver(from, message.frame, nowMs);
    else if (message.kind === 'mine') this.#handOver.learn(from, message);
    else this.#outage.onMessage(from, message, nowMs);
  }

  /** Whether the store is there, away for everybody, or perhaps for us alone. */
  get outage(): OutageState {
    return this.#outage.state;
  }

  /** Timers, retries, renewals. To be called every few ms. */
  tick(nowMs: number): void {
    if (this.#outbox.expire(nowMs)) this.#outage.replied(false, nowMs);
    this.#outage.tick(nowMs);
    this.#feed.tick(nowMs);
    this.#reconfirmer.tick(nowMs);
    this.#replanner.tick(nowMs);
    this.#cache.prune(this.#limits.endpointsPerTickMax);
    this.#reporter.tick(nowMs);
    this.#ports.tick(nowMs);
    this.#provisional.tick(nowMs);
    this.#handOver.tick(nowMs);
    this.#inquirer.tick(nowMs);
    this.#fragments.tick(nowMs);
    this.#unsolicited.tick(nowMs);
  }

  /** Before a stop: queues what the store should still hear. `settled` says when it has. */
  finish(nowMs: number): void {
    this.#reporter.flush(nowMs);
    this.#ports.releaseAll();
  }

  get settled(): boolean {
    return this.#outbox.idle;
  }

  /** How many flows there are, once per crossing of the high-water mark; 0 at all other times. */
  takeHighWater(): number {
    const { size, counters } = this.#cache.table;
    if (counters.highWaterCrossings === this.#highWaterTaken) return 0;
    this.#highWaterTaken = counters.highWaterCrossings;
    return size;
  }

  /** Sizes that go up and down, for the metrics. */
  get gauges() {
    const { table } = this.#cache;
    return {
      flows: table.size,
      flowsActive: table.activeSize,
      flowsHighWaterCrossings: table.counters.highWaterCrossings,
      questions: this.#inquirer.questions,
      openings: this.#inquirer.openings,
      listsWaiting: this.#neighbours.waiting,
      heldBytes: this.#inquirer.heldBytes,
      datagrams: this.#fragments.datagrams,
      fragmentBytes: this.#fragments.heldBytes,
      unsolicitedSyns: this.#unsolicited.size,
      touchRetries: this.#reporter.retries,
      outsideEndpoints: this.#cache.outsideEndpoints,
      subscribers: this.#subscribers.size,
      portBlocks: this.#ports.blocks.size,
      provisionalFlows: this.#provisional.size,
      storeFailures: this.#outbox.failed,
      storeRefused: this.#outbox.refused,
    };
  }
}

function newTable(limits: GatewayLimits, seed: number, nowMs: number): FlowTable {
  return new FlowTable({
    capacityMax: limits.flowsMax,
    highWaterMax: limits.flowsHighWater,
    dueMax: limits.duePerTickMax,
    seed,
    nowMs,
  });
}
