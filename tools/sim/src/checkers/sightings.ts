/**
 * What is known of a flow from the packets that gateways let through: our own bookkeeping of its
 * protocol state and of the instant before which nobody may end it (I4).
 *
 * Each life of a gateway has its own column, because what it saw may die with it. A column counts
 * where its life is sure to have reported it, or where the store's slack covers the loss.
 */
import type { ClusterConfig } from '@flowstore/flow';
import { ACK, FIN, ICMP, RST, SYN, TCP } from '../packet.ts';
import type { Life } from '../world/life.ts';

const OUT_DATA = 1;
const IN_DATA = 2;
const OUT_FIN = 4;
const IN_FIN = 8;
const BOTH_DATA = OUT_DATA | IN_DATA;
const BOTH_FIN = OUT_FIN | IN_FIN;
/** A change of state that was seen so long before a death had time to reach the store. */
const REPORT_MS = 3_000;
/** Calls that got lost keep others waiting for so long. */
const AFTERMATH_MS = 7_000;

interface Column {
  readonly life: Life;
  /** Last packet that refreshes the flow. */
  seenMs: number;
  flags: number;
  /** When the flags last grew. */
  changedMs: number;
  resetMs: number;
  /** This life's first packet after the flow might have ended: it counts once it was reported. */
  revivedMs: number;
  /** The same where the flow's time was over: it counts only if the store merged it. */
  lateMs: number;
  /** When the store last confirmed the flow to this life: as of the sending of the question. */
  confirmedMs: number;
  /** The same by the master, which keeps what it was told, and was told what was seen. */
  toldMs: number;
}

const NEVER = Number.NEGATIVE_INFINITY;
const TIMES = [
  'seenMs',
  'changedMs',
  'resetMs',
  'revivedMs',
  'lateMs',
  'confirmedMs',
  'toldMs',
] as const;

/** The flow whose place a next incarnation took, while it was stored. */
export interface Former {
  readonly sightings: Sightings;
  readonly replacedMs: number;
}

export class Sightings {
  readonly protocol: number;
  readonly #former: Former | null;
  readonly #columns: Column[] = [];
  #revivedMs = NEVER;
  #lateMs = NEVER;
  /** Those who were told of another incarnation last, by a master that was replaced. */
  readonly #misled = new Set<Life>();
  /** What they saw since: of that one, should it be told again. */
  #astray: Sightings | null = null;
  /** Flags that were seen of what may have been another connection. */
  #doubtful = 0;
  /** By life: when the last packet came that it may report without having let it through: the one
   * that opened the flow, or that waits and wakes it in its last moments. */
  readonly #waited = new Map<Life, number>();

  constructor(protocol: number, former: Former | null = null) {
    this.protocol = protocol;
    this.#former = former;
  }

  /** A packet of the flow was let through. */
  see(life: Life, outbound: boolean, control: number, config: ClusterConfig, nowMs: number): void {
    if (this.#isTakenForFormer(life, config, nowMs)) {
      this.#former?.sightings.see(life, outbound, control, config, nowMs);
      return;
    }
    if (this.#misled.has(life)) {
      this.#astray ??= new Sightings(this.protocol);
      this.#astray.see(life, outbound, control, config, nowMs);
      return;
    }
    const column = this.#column(life);
    const refreshes = this.protocol === TCP ? (control & RST) === 0 : outbound;
    if (refreshes && this.#isIdle(config, nowMs, 0.5)) this.#revivedMs = nowMs;
    if (refreshes && this.#isIdle(config, nowMs, 1)) this.#lateMs = nowMs;
    if (refreshes && column.seenMs < this.#lateMs) column.lateMs = nowMs;
    if (refreshes && column.seenMs < this.#revivedMs) column.revivedMs = nowMs;
    if (this.protocol !== TCP) {
      if (outbound) column.seenMs = nowMs;
      return;
    }
    if (control & RST) {
      column.resetMs = nowMs;
      return;
    }
    column.seenMs = nowMs;
    let flags = 0;
    if (!(control & SYN)) flags = outbound ? OUT_DATA : IN_DATA;
    if (control & FIN) flags |= outbound ? OUT_FIN : IN_FIN;
    if ((column.flags | flags) !== column.flags) column.changedMs = nowMs;
    column.flags |= flags;
  }

  /** What was seen of another incarnation, which only a replaced master knew until now. */
  get astray(): Sightings | null {
    return this.#astray;
  }

  /** What was seen of the flow before the store knew it. Of what was told at `toldMs` nobody knows
   * how much it was where more was seen since: it may have been the end, and protects nothing. */
  takeOver(before: Sightings, toldMs = Number.POSITIVE_INFINITY): void {
    for (const { life, flags, ...times } of before.#columns) {
      if (times.changedMs > toldMs) {
        this.#doubtful |= times.resetMs === NEVER ? flags : BOTH_FIN;
        continue;
      }
      const column = this.#column(life);
      column.flags |= flags;
      for (const name of TIMES) column[name] = Math.max(column[name], times[name]);
    }
  }

  /**
   * A gateway that carried the last incarnation takes this one's packets for its own until the feed
   * tells it, and reports them of a flow that is no more. Its translation is the right one all the
   * same; what it saw in that time counts where the former one is told again.
   */
  #isTakenForFormer(life: Life, { cacheLeaseMs }: ClusterConfig, nowMs: number): boolean {
    if (this.#former === null || nowMs > this.#former.replacedMs + cacheLeaseMs) return false;
    return this.#former.sightings.knows(life) && this.confirmedMs(life) === NEVER;
  }

  /** Whether no gateway ever heard of the flow, let alone used it. */
  get isUnheardOf(): boolean {
    return this.#columns.length === 0;
  }

  /** Whether this life let packets of the flow through. */
  knows(life: Life): boolean {
    return this.#columns.some((column) => column.life === life);
  }

  /** The life takes the flow for another incarnation, and reports what it sees as that one's: an
   * answer to what was asked at `sentMs` says so, unless a later one was there first. */
  mislead(life: Life, sentMs: number): void {
    if (sentMs >= this.confirmedMs(life)) this.#misled.add(life);
  }

  confirm(life: Life, sentMs: number, isTold: boolean): void {
    this.#misled.delete(life);
    const column = this.#column(life);
    column.confirmedMs = Math.max(column.confirmedMs, sentMs);
    if (isTold) column.toldMs = Math.max(column.toldMs, sentMs);
  }

  confirmedMs(life: Life): number {
    return this.#columns.find((column) => column.life === life)?.confirmedMs ?? NEVER;
  }

  /** The last packet that this life saw and that refreshes the flow. */
  seenMs(life: Life): number {
    return this.#columns.find((column) => column.life === life)?.seenMs ?? NEVER;
  }

  /** An opening was answered: its packet may have gone another way, and may be reported again. */
  openedBy(life: Life, seenMs: number): void {
    this.#waited.set(life, Math.max(seenMs, this.#waited.get(life) ?? NEVER));
  }

  /** A packet came, and waits for what the store says to it. */
  wait(life: Life, outbound: boolean, control: number, nowMs: number): void {
    if (this.protocol === TCP ? (control & RST) === 0 : outbound) this.#waited.set(life, nowMs);
  }

  /** The last packet that this life may report as the flow's. */
  reportableMs(life: Life): number {
    return Math.max(this.seenMs(life), this.#waited.get(life) ?? NEVER);
  }

  /** Whether this life can know of the last packet that woke the nearly dead flow: it saw it, or
   * asked when somebody's report of it was merged. */
  knewOfWaking(life: Life): boolean {
    const { seenMs, confirmedMs } = this.#column(life);
    return seenMs >= this.#revivedMs || confirmedMs > this.#revivedMs + REPORT_MS;
  }

  get lastSeenMs(): number {
    return this.#columns.reduce((latest, { seenMs }) => Math.max(latest, seenMs), NEVER);
  }

  /** Whether anybody saw the end of the connection. */
  get isClosing(): boolean {
    const flags = this.#columns.reduce((all, column) => all | column.flags, this.#doubtful);
    return (flags & BOTH_FIN) === BOTH_FIN || this.#wasReset;
  }

  get isEstablished(): boolean {
    const flags = this.#columns.reduce((all, column) => all | column.flags, 0);
    return (flags & BOTH_DATA) === BOTH_DATA && !this.isClosing;
  }

  /** Nobody may end the flow before this instant; NEVER where nothing is sure. */
  notBeforeMs(config: ClusterConfig, nowMs: number): number {
    let seenMs = NEVER;
    let flags = 0;
    for (const column of this.#columns) {
      if (isCovered(column, config, nowMs)) seenMs = Math.max(seenMs, column.seenMs);
      if (isReported(column, config, nowMs)) flags |= column.flags;
    }
    return seenMs + this.#timeoutMs(flags, config);
  }

  #timeoutMs(flags: number, { timeouts }: ClusterConfig): number {
    if (this.protocol === ICMP) return timeouts.icmpMs;
    if (this.protocol !== TCP) return timeouts.udpMs;
    const established = (flags & BOTH_DATA) === BOTH_DATA && !this.isClosing;
    return established ? timeouts.tcpEstablishedMs : timeouts.tcpTransitoryMs;
  }

  /** The last packet is so long ago, and its report longer still, that the store may be about to
   * end the flow: the report of this packet has to win that race. */
  #isIdle(config: ClusterConfig, nowMs: number, share: number): boolean {
    const { lastSeenMs } = this;
    const flags = this.#columns.reduce((all, column) => all | column.flags, 0);
    return lastSeenMs !== NEVER && nowMs - lastSeenMs > share * this.#timeoutMs(flags, config);
  }

  /** Whether an RST may count as the last word: at whichever gateway data was seen, it is not
   * clearly later. */
  get #wasReset(): boolean {
    return this.#columns.some(({ resetMs }) => resetMs !== NEVER);
  }

  #column(life: Life): Column {
    let column = this.#columns.find((one) => one.life === life);
    if (column === undefined) {
      column = {
        life,
        seenMs: NEVER,
        flags: 0,
        changedMs: NEVER,
        resetMs: NEVER,
        revivedMs: NEVER,
        lateMs: NEVER,
        confirmedMs: NEVER,
        toldMs: NEVER,
      };
      this.#columns.push(column);
    }
    return column;
  }
}

/** What this life saw last is in the store, or the slack covers that it is not. */
function isCovered(column: Column, config: ClusterConfig, nowMs: number): boolean {
  const { life, seenMs } = column;
  if (seenMs === NEVER || life.isBehind(nowMs)) return false;
  if (isForgotten(life, config, nowMs) || !wasToldInTime(column, nowMs)) return false;
  const { outageMs } = config.slack;
  if (life.endedMs === null) return life.troubledMs(seenMs, nowMs) < outageMs * 0.8;
  if (!life.killed) return true;
  const reportsMs = Math.max(...Object.values(config.timeouts)) / 3;
  return !life.isOutlived && life.troubledMs(seenMs - reportsMs, life.endedMs) === 0;
}

/** A packet that woke a flow counts where it could be reported at once: after an outage the store
 * may have ended the flow meanwhile, with every right. */
function wasToldInTime({ life, revivedMs, lateMs, toldMs }: Column, nowMs: number): boolean {
  if (toldMs < lateMs) return false;
  if (revivedMs === NEVER || toldMs >= revivedMs) return true;
  const wasWell = life.troubledMs(revivedMs - AFTERMATH_MS, revivedMs + REPORT_MS) === 0;
  return wasWell && wasTold(life, revivedMs, nowMs);
}

function isReported({ life, changedMs }: Column, config: ClusterConfig, nowMs: number): boolean {
  if (life.isBehind(nowMs) || isForgotten(life, config, nowMs)) return false;
  return wasTold(life, changedMs, nowMs);
}

/** The store lost what this life had reported, and it did not tell it again: it was over, or too
 * near its end, or is kept from the store for longer than grace waits. It hears of the loss within
 * a heartbeat, and then has all to tell. */
function isForgotten(life: Life, config: ClusterConfig, nowMs: number): boolean {
  const { lostMs, endedMs } = life;
  if (life.isForgotten || lostMs === null) return life.isForgotten;
  const untilMs = endedMs ?? nowMs;
  if (endedMs === null && nowMs < lostMs + config.leaseMs) return false;
  const toldMs = config.heartbeatMs + AFTERMATH_MS + 2 * life.troubledMs(lostMs, untilMs);
  return untilMs - lostMs < toldMs;
}

/** Whether this life had the time to tell the store of what happened at `atMs`. */
function wasTold(life: Life, atMs: number, nowMs: number): boolean {
  if (atMs === NEVER) return true;
  const endMs = Math.min(nowMs, life.endedMs ?? nowMs);
  return endMs - atMs > REPORT_MS + 2 * life.troubledMs(atMs - AFTERMATH_MS, endMs);
}

export function isFirstSegment(control: number): boolean {
  return (control & (SYN | ACK | RST | FIN)) === SYN;
}
