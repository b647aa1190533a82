/**
 * Whether the store can be asked, and what may go on while it can't be (I7).
 *
 * ```
 *             silent for two heartbeats          all peers say the same
 *   reached -----------------------------> cut off -------------------> everybody's outage
 *      ^                                     ^  |  one reaches it,              |
 *      |                                     |  |  or does not answer           |
 *      +--------- any reply -----------------+--+-------------------------------+
 * ```
 *
 * A gateway that is cut off asks its peers every heartbeat when they last heard the store. H is
 * the last instant at which anybody did; V the last at which everybody is known to have been cut
 * off: when the question left whose answers said so. Then, for everything that was read after
 * H - quarantine (less the clocks' skew), V is as good as a read:
 *
 * - until H nobody can have been given an outside endpoint that was freed after that read: it was
 *   in quarantine. The same holds for leases that had not run out by H.
 * - between H and V nobody could ask for anything.
 * - after V the shards are in grace, since they heard nobody from H to V: no port and no lease
 *   changes hands for a lease length, which is longer than a cache lease.
 *
 * A peer that has never heard the store in this life holds nothing: its answer counts as cut off
 * since ever. Its former life is dead, because it answers at that one's address. Who is alone in
 * the membership is everybody, once it was alone in the lists of two heartbeats: a store that lost
 * its data learns its members anew.
 */
import { type ClusterConfig, silenceMs } from '@flowstore/flow';
import type { GatewayCounters } from './counters.ts';
import type { Freshness } from './freshness.ts';
import type { GatewayLimits } from './limits.ts';
import type { ContactMessage, Envelope, PeerMessage } from './peer-message.ts';
import type { Policies } from './policies.ts';

/** `everybodys`: the outage is everybody's; `partitioned`: others may reach the store. */
export type OutageState = 'reached' | 'everybodys' | 'partitioned';

interface Peer {
  /** It heard the store no later than this. */
  heardMs: number;
  /** When the question left that it answered last, and said that it is cut off. */
  cutOffMs: number;
  /** The first list of members that it was missing from, of late. */
  missingMs: number;
}

const NEVER = Number.NEGATIVE_INFINITY;
/** An answer counts if its question was one of the last so many. */
const ROUNDS_MAX = 2;

export interface OutageOptions {
  readonly config: ClusterConfig;
  readonly limits: GatewayLimits;
  readonly policies: Policies;
  readonly freshness: Freshness;
  readonly counters: GatewayCounters;
  /** Uniform 32-bit numbers. */
  readonly random: () => number;
  readonly nowMs: number;
}

export class Outage {
  readonly #options: OutageOptions;
  /** Null: nobody said who the peers are, or they cannot be asked. */
  #peers: Map<string, Peer> | null = null;
  /** The first list of members since they were known, and the last. */
  #listedMs: { readonly first: number; last: number } | null = null;
  readonly #asked: { readonly round: number; readonly atMs: number }[] = [];
  #outgoing: Envelope[] = [];
  #heardMs: number;
  /** When it was looked at last, and since when that was never for longer than a heartbeat. */
  #lookedMs: number;
  #awakeMs = NEVER;
  #failedMs = NEVER;
  #askAtMs = NEVER;
  #vouchedMs = NEVER;
  /** H of the last time that V was good. */
  #lastContactMs = NEVER;
  #state: OutageState = 'reached';

  constructor(options: OutageOptions) {
    this.#options = options;
    this.#heardMs = options.nowMs;
    this.#lookedMs = options.nowMs;
  }

  get state(): OutageState {
    return this.#state;
  }

  get peers(): number {
    return this.#peers?.size ?? 0;
  }

  get names(): string[] {
    return [...(this.#peers?.keys() ?? [])];
  }

  /** Who else is a member, as the store said last; null where they cannot be asked. */
  setPeers(names: readonly string[] | null, nowMs: number): void {
    if (names === null || names.length > this.#options.limits.peersMax) {
      this.#peers = null;
      this.#listedMs = null;
      return;
    }
    const before = this.#peers;
    this.#peers = new Map(names.map((name) => [name, before?.get(name) ?? newPeer()]));
    this.#listedMs = { first: this.#listedMs?.first ?? nowMs, last: nowMs };
    for (const [name, peer] of before ?? []) this.#keep(name, peer, nowMs);
    // It may be new, and then it knows of us what the store knows; we may be cut off from that.
    for (const name of names) if (!before?.has(name)) this.#tell(name, 0, nowMs);
  }

  /** The store answered a call, or failed to. */
  replied(answered: boolean, nowMs: number): void {
    if (!answered) {
      this.#failedMs = nowMs;
      return;
    }
    const wasCutOff = this.isCutOff(nowMs);
    this.#heardMs = nowMs;
    if (!wasCutOff) return;
    this.#askAtMs = NEVER;
    this.#become('reached');
    for (const name of this.#peers?.keys() ?? []) this.#tell(name, 0, nowMs);
  }

  /** Whether the store was silent for two heartbeats. */
  isCutOff(nowMs: number): boolean {
    return nowMs - this.#heardMs > cutOffMs(this.#options.config);
  }

  /** Whether there is no sense in waiting for the store's answer. */
  cannotAsk(nowMs: number): boolean {
    if (this.#silentMs(nowMs) > cutOffMs(this.#options.config)) return true;
    if (this.#failedMs <= this.#heardMs) return false;
    return this.#silentMs(nowMs) >= this.#options.limits.storeSilentMs;
  }

  /** When a lease ends that would end at `expiresMs` if others could reach the store. */
  leaseEndMs(expiresMs: number): number {
    if (this.#state !== 'everybodys' || expiresMs <= this.#lastContactMs) return expiresMs;
    const { leaseMs, slack } = this.#options.config;
    return Math.max(expiresMs, this.#vouchedMs + leaseMs - slack.clockSkewMs);
  }

  tick(nowMs: number): void {
    if (this.#stoodStill(nowMs)) this.#awakeMs = nowMs;
    this.#lookedMs = nowMs;
    if (!this.isCutOff(nowMs)) return;
    const { config, policies, freshness } = this.#options;
    if (nowMs >= this.#askAtMs) this.#ask(nowMs);
    this.#judge(nowMs);
    if (this.#state === 'partitioned' && policies.onPartition === 'forward') {
      freshness.waive(nowMs + config.cacheLeaseMs);
    }
  }

  onMessage(from: string, message: ContactMessage, nowMs: number): void {
    if (this.#peers === null) return;
    const peer = this.#peers.get(from) ?? newPeer();
    // Whoever speaks is there, even if the store has forgotten it, or we have not heard of it yet.
    if (this.#peers.size < this.#options.limits.peersMax) this.#peers.set(from, peer);
    if (message.kind === 'ask') {
      this.#tell(from, message.round, nowMs);
      return;
    }
    const { round, heardAgeMs } = message;
    peer.heardMs = Math.max(peer.heardMs, heardAgeMs === null ? NEVER : nowMs - heardAgeMs);
    const question = this.#asked.find((one) => one.round === round);
    if (question === undefined) return;
    const isCutOff = heardAgeMs === null || heardAgeMs > cutOffMs(this.#options.config);
    if (isCutOff) peer.cutOffMs = Math.max(peer.cutOffMs, question.atMs);
    this.#judge(nowMs);
  }

  send(to: string, message: PeerMessage): void {
    const { limits, counters } = this.#options;
    if (this.#outgoing.length < limits.peerMessagesMax) this.#outgoing.push({ to, message });
    else counters.peerMessagesDropped++;
  }

  takeMessages(): Envelope[] {
    const messages = this.#outgoing;
    this.#outgoing = [];
    return messages;
  }

  /** A gateway that stood still (a suspended machine, SIGSTOP) heard nobody, but nobody was silent:
   * what it gets then it has to ask for, like any other. */
  #silentMs(nowMs: number): number {
    if (this.#stoodStill(nowMs)) return 0;
    return nowMs - Math.max(this.#heardMs, this.#awakeMs);
  }

  #stoodStill(nowMs: number): boolean {
    return nowMs - this.#lookedMs > this.#options.config.heartbeatMs;
  }

  /** A store that lost its data lists members as they come back, each with its next heartbeat. */
  #keep(name: string, peer: Peer, nowMs: number): void {
    if (this.#peers!.has(name)) {
      peer.missingMs = Number.POSITIVE_INFINITY;
      return;
    }
    peer.missingMs = Math.min(peer.missingMs, nowMs);
    if (nowMs - peer.missingMs < listingMs(this.#options.config)) this.#peers!.set(name, peer);
  }

  /** Whether everybody was listed who is there: nobody may be taken for alone before. */
  get #knowsPeers(): boolean {
    const listed = this.#listedMs;
    return listed !== null && listed.last - listed.first >= listingMs(this.#options.config);
  }

  #ask(nowMs: number): void {
    const { config, counters, random } = this.#options;
    this.#askAtMs = nowMs + config.heartbeatMs;
    // Not to be guessed, so that no answer to another question passes for one to this.
    const round = random() || 1;
    this.#asked.push({ round, atMs: nowMs });
    if (this.#asked.length > ROUNDS_MAX) this.#asked.shift();
    for (const name of this.#peers?.keys() ?? []) {
      counters.peersAsked++;
      this.send(name, { kind: 'ask', round });
    }
  }

  #judge(nowMs: number): void {
    if (!this.isCutOff(nowMs)) return;
    const { config, freshness } = this.#options;
    let cutOffSinceMs = this.#knowsPeers ? nowMs : NEVER;
    let lastContactMs = this.#heardMs;
    for (const { heardMs, cutOffMs } of this.#peers?.values() ?? []) {
      cutOffSinceMs = Math.min(cutOffSinceMs, cutOffMs);
      lastContactMs = Math.max(lastContactMs, heardMs);
    }
    // Less silence than this may not have put the shards into grace.
    const isLong = cutOffSinceMs - lastContactMs >= silenceMs(config) + config.heartbeatMs;
    if (isLong && cutOffSinceMs > this.#vouchedMs) {
      const { quarantineMs, leaseMs, slack } = config;
      const safeMs = Math.min(quarantineMs, leaseMs) - slack.clockSkewMs;
      this.#vouchedMs = cutOffSinceMs;
      this.#lastContactMs = lastContactMs;
      freshness.vouch(lastContactMs - safeMs, cutOffSinceMs);
    }
    const isEverybodys = nowMs - cutOffSinceMs <= (ROUNDS_MAX + 1) * config.heartbeatMs;
    this.#become(isEverybodys ? 'everybodys' : 'partitioned');
  }

  #become(state: OutageState): void {
    const { counters } = this.#options;
    if (this.#state === state) return;
    this.#state = state;
    if (state === 'everybodys') counters.outagesOfEverybody++;
    if (state === 'partitioned') counters.partitions++;
  }

  #tell(to: string, round: number, nowMs: number): void {
    const heardAgeMs = nowMs - this.#heardMs;
    this.send(to, { kind: 'contact', round, heardAgeMs });
  }
}

function newPeer(): Peer {
  return { heardMs: NEVER, cutOffMs: NEVER, missingMs: Number.POSITIVE_INFINITY };
}

/** After so long every living member has been listed again. */
function listingMs({ heartbeatMs }: ClusterConfig): number {
  return 2 * heartbeatMs;
}

/** Silent for longer than this, the store is away as far as we know. */
export function cutOffMs({ heartbeatMs }: ClusterConfig): number {
  return 2 * heartbeatMs;
}
