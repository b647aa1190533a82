/**
 * I7, the store is away for everybody: a flow that a gateway carried goes on at once, for as long
 * as the outage lasts. Promised where nothing else happens: all gateways live, have time, and hear
 * each other; and for flows that this gateway had confirmed, and goes on to see.
 */
import type { ClusterConfig } from '@flowstore/flow';
import { type Reading, SYN, TCP } from '../packet.ts';
import type { Life } from '../world/life.ts';
import type { Checks } from './checks.ts';
import { describeFlow } from './endings.ts';
import type { FlowTruth } from './truth.ts';

export class OutageChecker {
  /** Whether all gateways are up and hear each other. */
  isCalm: () => boolean = () => false;
  readonly #checks: Checks;
  readonly #config: ClusterConfig;
  readonly #nowMs: () => number;
  readonly #tight: boolean;
  /** So long after an outage began all know that it is everybody's. */
  readonly #knownMs: number;
  #outages = 0;
  #sinceMs = 0;
  #endedMs = Number.NEGATIVE_INFINITY;
  #disturbedMs = 0;

  constructor(
    checks: Checks,
    {
      config,
      nowMs,
      tight,
      tickMs,
    }: { config: ClusterConfig; nowMs: () => number; tight: boolean; tickMs: number },
  ) {
    this.#checks = checks;
    this.#config = config;
    this.#nowMs = nowMs;
    this.#tight = tight;
    // Here a gateway looks at its timers more rarely than the relation of the two has room for.
    this.#knownMs = 6 * config.heartbeatMs + 2 * tickMs;
  }

  begin(): void {
    if (this.#outages++ === 0) this.#sinceMs = this.#nowMs();
  }

  end(): void {
    if (--this.#outages === 0) this.#endedMs = this.#nowMs();
  }

  /** Something happened to a gateway, or to what joins them. */
  disturbed(): void {
    this.#disturbedMs = this.#nowMs();
  }

  /** The last instant at which nobody reached the store. */
  awayUntilMs(): number {
    return this.#outages > 0 ? this.#nowMs() : this.#endedMs;
  }

  /** A packet of a flow came to a gateway. */
  packet(flow: FlowTruth | undefined, life: Life, reading: Reading, forwarded: boolean): void {
    if (flow === undefined || !this.#mustGoOn(flow, life, reading)) return;
    this.#checks.check('I7', forwarded, () => {
      const lastsMs = (this.#nowMs() - this.#sinceMs).toFixed(0);
      return `${life.name} holds a packet of ${describeFlow(flow)}, ${lastsMs} ms into the outage`;
    });
  }

  #mustGoOn(flow: FlowTruth, life: Life, { header }: Reading): boolean {
    if (this.#outages === 0 || this.#tight || flow.endedMs !== null) return false;
    const sinceMs = this.#sinceMs;
    if (this.#disturbedMs >= sinceMs - this.#config.leaseMs || !this.isCalm()) return false;
    // A SYN may be the next connection's, and what closes has little left to live.
    const { sightings, binding } = flow;
    if (sightings.isClosing || (binding.protocol === TCP && header.control & SYN)) return false;
    if (life.troubledMs(sinceMs - this.#config.leaseMs, sinceMs) > 0) return false;
    const { timeouts, cacheLeaseMs } = this.#config;
    const isSettling = this.#knownMs > cacheLeaseMs && this.#nowMs() - sinceMs < this.#knownMs;
    if (isSettling) return false;
    const isKnown = sightings.confirmedMs(life) > sinceMs - cacheLeaseMs * 0.9;
    const isUsed =
      sightings.seenMs(life) > this.#nowMs() - Math.min(...Object.values(timeouts)) / 2;
    return isKnown && isUsed;
  }
}
