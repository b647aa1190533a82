/**
 * I4, no early end: no flow ends before its RFC timeout has passed since the last packet seen by
 * any gateway that lived to report it. And what a gateway reports is true: nobody claims to have
 * seen a packet later than it came.
 */
import type { ClusterConfig } from '@flowstore/flow';
import type { StoreCall } from '@flowstore/gateway-core';
import { addressNumber, formatEndpoint } from '../keys.ts';
import type { Life } from '../world/life.ts';
import type { Checks } from './checks.ts';
import { describe } from './ports.ts';
import type { Cause, FlowTruth, Truth } from './truth.ts';

/** Clocks drift by up to 100 ppm, and requests leave within the ms. */
const DRIFT = 2e-4;
const TOLERANCE_MS = 3;

export class EndingChecker {
  readonly #checks: Checks;
  readonly #config: ClusterConfig;
  readonly #nowMs: () => number;

  constructor(checks: Checks, config: ClusterConfig, nowMs: () => number) {
    this.#checks = checks;
    this.#config = config;
    this.#nowMs = nowMs;
  }

  flowEnded(flow: FlowTruth, { operation, cancelled }: Cause): void {
    // Of what an operator ended and somebody put back, others have nothing to say any more.
    if (cancelled || flow.binding.cancelled || operation === 'dataLost') return;
    const nowMs = this.#nowMs();
    const { sightings } = flow;
    // The next incarnation of a connection may take the place of one that somebody saw closing,
    // and take it again where the store lost that and has the former one back.
    if (operation === 'open' && sightings.isClosing) return;
    if (operation === 'reassert') return;
    const notBeforeMs = sightings.notBeforeMs(this.#config, nowMs);
    this.#checks.check('I4', nowMs >= notBeforeMs, () => {
      const idleMs = (nowMs - sightings.lastSeenMs).toFixed(0);
      return (
        `${describeFlow(flow)} was ended by ${operation} ${idleMs} ms after its last packet, ` +
        `${(notBeforeMs - nowMs).toFixed(0)} ms too early`
      );
    });
  }

  /** Called at the instant at which the call leaves the gateway. */
  callSent(life: Life, { operation, requests }: StoreCall, truth: Truth): void {
    if (operation !== 'touch') return;
    for (const { inside, remote, identity, seen } of requests as StoreCall<'touch'>['requests']) {
      const binding = truth.ofInside(inside.protocol, addressNumber(inside.address), inside.port);
      if (binding === undefined || seen.ageMs === null) continue;
      const to = remote === null ? 0 : addressNumber(remote.address);
      const flow = truth.flowOf(binding, to, remote?.port ?? 0);
      if (flow === undefined || flow.endedMs !== null) continue;
      if (flow.generation !== identity.generation || flow.nonce !== identity.nonce) continue;
      const seenMs = flow.sightings.reportableMs(life);
      if (flow.isPutBack && seenMs === Number.NEGATIVE_INFINITY) continue;
      const claimedMs = this.#nowMs() - seen.ageMs;
      const tolerance = TOLERANCE_MS + DRIFT * (this.#nowMs() - seenMs);
      this.#checks.check('I4', claimedMs <= seenMs + tolerance, () => {
        const tooYoung = (claimedMs - seenMs).toFixed(0);
        const text = `reports ${describeFlow(flow)} as seen`;
        return `${life.name} ${text} ${tooYoung} ms later than it was`;
      });
    }
  }
}

export function describeFlow(flow: FlowTruth): string {
  if (flow.remote === 0) return describe(flow.binding);
  return `${describe(flow.binding)} to ${formatEndpoint(flow.remote, flow.remotePort)}`;
}
