/**
 * How long flows live and how soon they are reported, by what the deployment goes by. While its
 * configuration changes those are two: a flow lives by the longer timeout, and is reported by the
 * shorter one.
 *
 * An answer tells how long the flow lives on, by what its call went by; when the store heard of it
 * last is counted back from there. So what was asked before a change is read by the longer of two
 * lives: too early a time costs a report, too late a one the flow.
 */
import {
  type ClusterConfig,
  slackMs,
  type Timeouts,
  timeoutMs,
  touchIntervalMs,
} from '@flowstore/flow';
import type { FlowTable } from '@flowstore/flow-table';
import type { RuleConfigs } from './translation-rules.ts';

/** What a gateway goes by: both configurations together while they change. */
export interface GoingBy {
  readonly config: ClusterConfig;
  /** Flows are reported by these: no longer than the configuration's own. */
  readonly reportBy: Timeouts;
  /** Rules have no merged form: which is which matters. */
  readonly rules: RuleConfigs;
}

/** What lifetimes are made of. */
type Timing = Pick<GoingBy, 'config' | 'reportBy'>;

/** Touches of one gateway spread over this share of their interval. */
const TOUCH_JITTER = 0.2;

export class Lifetimes {
  readonly #table: FlowTable;
  readonly #random: () => number;
  #now: Timing;
  #former: Timing;
  #changedMs = Number.NEGATIVE_INFINITY;

  /** @param random uniform 32-bit numbers */
  constructor(table: FlowTable, config: ClusterConfig, random: () => number) {
    this.#table = table;
    this.#random = random;
    // Whoever has the given object may change its fields.
    this.#now = { config: { ...config }, reportBy: config.timeouts };
    this.#former = this.#now;
  }

  change(to: Timing, nowMs: number): void {
    this.#former = this.#now;
    this.#now = to;
    this.#changedMs = nowMs;
  }

  /** From the last packet that the store heard of to when it may end the flow. */
  lifeMs(slot: number): number {
    return this.#lifeBy(this.#now, slot);
  }

  touchIntervalMs(slot: number): number {
    return touchIntervalMs(this.#timeoutBy(this.#now.reportBy, slot));
  }

  /**
   * A third of the timeout (jittered down by up to 20 %) after the last report that the store has,
   * whoever's it was: the life that the store gives counts from there. A question tells the store
   * nothing, so a packet that woke a nearly dead flow has to be reported at once.
   */
  touchDueMs(slot: number, reportedMs: number): number {
    const jitter = 1 - (TOUCH_JITTER * this.#random()) / 2 ** 32;
    return reportedMs + this.touchIntervalMs(slot) * jitter;
  }

  /** When the flow was reported last, at the latest, going by when its next touch is due. */
  plannedFromMs(slot: number): number {
    return this.#table.touchDueMs(slot) - this.touchIntervalMs(slot) * (1 - TOUCH_JITTER);
  }

  /** Whether the last packet is later than the last report by more than a closing flow's may be. */
  isLateForClosing(slot: number): boolean {
    const reportedMs = this.#table.touchDueMs(slot) - this.touchIntervalMs(slot);
    const { tcpClosingMs } = this.#now.reportBy;
    return this.#table.seenMs(slot) - reportedMs > touchIntervalMs(tcpClosingMs);
  }

  /** When the touch is due by the timeouts of now, where it was planned by the former ones. */
  replannedMs(slot: number): number {
    return this.#formerReportMs(slot) + this.touchIntervalMs(slot) * (1 - TOUCH_JITTER);
  }

  /** The same for its end: the store ends it no earlier than this, by the timeouts of now. */
  replannedEndMs(slot: number): number {
    return this.#formerReportMs(slot) + this.lifeMs(slot);
  }

  /** When the last packet came that the store heard of: it answered `lifeMs` to what left then. */
  reportedMs(slot: number, lifeMs: number, sentMs: number): number {
    const nowMs = this.lifeMs(slot);
    const isOfNow = sentMs > this.#changedMs;
    return sentMs + lifeMs - (isOfNow ? nowMs : Math.max(nowMs, this.#lifeBy(this.#former, slot)));
  }

  /** When the flow was reported, at the earliest, whose next touch was planned by the former
   * timeouts: the jitter of then is not known. */
  #formerReportMs(slot: number): number {
    const formerMs = touchIntervalMs(this.#timeoutBy(this.#former.reportBy, slot));
    return this.#table.touchDueMs(slot) - formerMs;
  }

  #lifeBy({ config }: Timing, slot: number): number {
    const timeout = this.#timeoutBy(config.timeouts, slot);
    return timeout + slackMs(config.slack, timeout);
  }

  #timeoutBy(timeouts: Timeouts, slot: number): number {
    const table = this.#table;
    const state = { flags: table.flags(slot), seenMs: 0, rstMs: table.rstMs(slot) };
    return timeoutMs(timeouts, table.protocol(slot), state);
  }
}
