/**
 * What each subscriber (an inside address of a domain) may still open through this gateway, under
 * the limits that all gateways share (RFC 6888 REQ-4).
 *
 * ```
 *            bindingsPerCountMax at first        used up
 *   opening ----------> left ----------> granted ...... 64 shards are asked how many there are
 *                        ^                                        |
 *                        +------ below the limit: as many more ---+--- at it: refused for a while
 * ```
 *
 * The store counts exactly, by shard; a gateway asks only once per `bindingsPerCountMax` openings
 * of a subscriber. So all gateways together pass the limit by what each may open unasked, and those
 * who open little are never counted at all. An account is for life: a subscriber that was forgotten
 * at `subscribersMax` is counted before it opens anything.
 *
 * The rate is a bucket that fills with the gateway's share of it: ECMP deals new flows evenly.
 */
import { type ClusterConfig, type Endpoint, SHARDS } from '@flowstore/flow';
import type { CountResult } from '@flowstore/flow-store';
import type { GatewayCounters } from './counters.ts';
import type { GatewayLimits } from './limits.ts';
import type { StoreOutbox } from './store-outbox.ts';

/** `later`: the store did not say, or too many openings are under way. */
export type Admission = 'granted' | 'tooMany' | 'tooFast' | 'later';
type OnAdmitted = (admission: Admission, nowMs: number) => void;

interface Account {
  readonly inside: Endpoint;
  /** Bindings that it may open before the store is asked again. */
  left: number;
  /** Openings that the store has not answered: its count may not know them. */
  underWay: number;
  refusedUntilMs: number;
  /** The rate's bucket, and when it was filled last. */
  tokens: number;
  filledMs: number;
  /** Openings that wait for the count; null where none is under way. */
  waiting: OnAdmitted[] | null;
}

export interface SubscriberOptions {
  readonly config: ClusterConfig;
  readonly limits: GatewayLimits;
  readonly outbox: StoreOutbox;
  readonly counters: GatewayCounters;
}

export class SubscriberAccounts {
  readonly #options: SubscriberOptions;
  /** The least recently used in front. */
  readonly #accounts = new Map<string, Account>();
  #forgotAny = false;
  /** How many gateways share the rate. */
  gateways = 1;

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#accounts.size;
  }

  /** Whether the endpoint's subscriber may open a binding; every grant is to be settled. */
  admit(inside: Endpoint, nowMs: number, onAdmitted: OnAdmitted): void {
    const { bindingsPerSubscriberMax, newBindingsPerSubscriberPerSMax } = this.#options.config;
    if (bindingsPerSubscriberMax === 0 && newBindingsPerSubscriberPerSMax === 0) {
      onAdmitted('granted', nowMs);
      return;
    }
    const account = this.#accountOf(inside, nowMs);
    if (account === null) onAdmitted('later', nowMs);
    else if (!this.#takeToken(account, nowMs)) onAdmitted('tooFast', nowMs);
    else this.#enter(account, nowMs, onAdmitted);
  }

  /** An opening was answered; `bound`: perhaps it made a binding. */
  settle(inside: Endpoint, bound: boolean): void {
    const account = this.#accounts.get(keyOf(inside));
    if (account === undefined) return;
    account.underWay--;
    if (bound) return;
    account.left++;
    account.tokens++;
  }

  #enter(account: Account, nowMs: number, onAdmitted: OnAdmitted): void {
    const { config, limits } = this.#options;
    const isLimited = config.bindingsPerSubscriberMax > 0;
    if (account.waiting !== null) account.waiting.push(onAdmitted);
    else if (!isLimited || account.left > 0) {
      if (isLimited) account.left--;
      account.underWay++;
      onAdmitted('granted', nowMs);
    } else if (nowMs < account.refusedUntilMs) onAdmitted('tooMany', nowMs);
    else if (account.underWay >= limits.bindingsPerCountMax) onAdmitted('later', nowMs);
    else {
      account.waiting = [onAdmitted];
      this.#count(account, nowMs);
    }
  }

  /** Asks every shard; no sum where one of them says nothing. */
  #count(account: Account, nowMs: number): void {
    const { outbox, counters } = this.#options;
    const { domain, address } = account.inside;
    const subscriber = { domain, address };
    let awaited = SHARDS;
    let sum: number | null = 0;
    const onCounted = (result: CountResult | null, _sentMs: number, answeredMs: number) => {
      sum = result === null || sum === null ? null : sum + result.bindings;
      if (--awaited === 0) this.#onSum(account, sum, answeredMs);
    };
    counters.subscribersCounted++;
    for (let shard = 0; shard < SHARDS; shard++) {
      const queued = outbox.ask('count', () => ({ shard, subscriber }), onCounted);
      if (!queued) onCounted(null, nowMs, nowMs);
    }
  }

  #onSum(account: Account, bindings: number | null, nowMs: number): void {
    const { config, limits } = this.#options;
    const waiting = account.waiting!;
    account.waiting = null;
    if (bindings === null) {
      for (const onAdmitted of waiting) onAdmitted('later', nowMs);
      return;
    }
    const room = config.bindingsPerSubscriberMax - bindings - account.underWay;
    account.left = Math.max(0, Math.min(room, limits.bindingsPerCountMax - account.underWay));
    if (room <= 0) account.refusedUntilMs = nowMs + limits.countAgainMs;
    for (const onAdmitted of waiting) this.#enter(account, nowMs, onAdmitted);
  }

  /** Null where there is no account to be had. */
  #accountOf(inside: Endpoint, nowMs: number): Account | null {
    const { bindingsPerCountMax, subscribersMax } = this.#options.limits;
    const key = keyOf(inside);
    let account = this.#accounts.get(key);
    if (account !== undefined) this.#accounts.delete(key);
    else {
      if (this.#accounts.size >= subscribersMax && !this.#forgetOne()) return null;
      const left = this.#forgotAny ? 0 : bindingsPerCountMax;
      const tokens = this.#burst;
      const refusedUntilMs = Number.NEGATIVE_INFINITY;
      const bucket = { tokens, filledMs: nowMs };
      account = { inside, left, underWay: 0, refusedUntilMs, ...bucket, waiting: null };
    }
    this.#accounts.set(key, account);
    return account;
  }

  /** Forgets who opened nothing for the longest time and has nothing under way. */
  #forgetOne(): boolean {
    for (const [key, { underWay, waiting }] of this.#accounts) {
      if (underWay > 0 || waiting !== null) continue;
      this.#accounts.delete(key);
      this.#forgotAny = true;
      this.#options.counters.subscribersForgotten++;
      return true;
    }
    return false;
  }

  /** The bucket holds a second's share. */
  get #burst(): number {
    return Math.max(1, this.#options.config.newBindingsPerSubscriberPerSMax / this.gateways);
  }

  #takeToken(account: Account, nowMs: number): boolean {
    const { newBindingsPerSubscriberPerSMax: perS } = this.#options.config;
    if (perS === 0) return true;
    const filled = (perS / this.gateways / 1000) * (nowMs - account.filledMs);
    account.tokens = Math.min(this.#burst, account.tokens + filled);
    account.filledMs = nowMs;
    if (account.tokens < 1) return false;
    account.tokens--;
    return true;
  }
}

function keyOf({ domain, address }: Endpoint): string {
  return `${domain}/${address.join('.')}`;
}
