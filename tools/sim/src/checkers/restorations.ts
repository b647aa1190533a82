/**
 * I7, the store comes back with data lost: what a gateway holds it tells again, under its old
 * identity, within the grace. Promised for flows that a gateway was carrying when the data was
 * lost, if that gateway lived on untroubled. Whoever took the inside endpoint meanwhile keeps it.
 */
import type { ClusterConfig } from '@flowstore/flow';
import type { Life } from '../world/life.ts';
import type { Checks } from './checks.ts';
import { describeFlow } from './endings.ts';
import type { FlowTruth, Truth } from './truth.ts';

/** A failover itself keeps gateways from the store for about so long. */
const TROUBLE_MAX_MS = 2_000;

export class RestorationChecker {
  readonly #checks: Checks;
  readonly #config: ClusterConfig;
  readonly #truth: Truth;
  /** Flows that the store lost, until it is seen whether they came back. */
  #lost: FlowTruth[] = [];

  constructor(checks: Checks, { config, truth }: { config: ClusterConfig; truth: Truth }) {
    this.#checks = checks;
    this.#config = config;
    this.#truth = truth;
  }

  lost(flow: FlowTruth): void {
    this.#lost.push(flow);
  }

  /** What was lost up to now has to be back when the returned function is called. */
  watch(lives: readonly Life[], lostMs: number): (nowMs: number) => void {
    const carried = this.#lost.filter((flow) =>
      lives.some((one) => this.#carries(one, flow, lostMs)),
    );
    this.#lost = [];
    return (nowMs) => {
      for (const flow of carried) {
        const isHeld = lives.some(
          (life) => this.#carries(life, flow, lostMs) && isWell(life, lostMs, nowMs),
        );
        if (isHeld && !this.#isOver(flow, nowMs)) this.#look(flow, nowMs - lostMs);
      }
    };
  }

  #carries(life: Life, { sightings }: FlowTruth, lostMs: number): boolean {
    const { cacheLeaseMs, timeouts } = this.#config;
    const isKnown = sightings.confirmedMs(life) > lostMs - cacheLeaseMs / 2;
    const isUsed = sightings.seenMs(life) > lostMs - Math.min(...Object.values(timeouts)) / 4;
    return isKnown && isUsed && life.endedMs === null;
  }

  /** Whether it would have ended by now in any case. */
  #isOver({ sightings }: FlowTruth, nowMs: number): boolean {
    return sightings.isClosing || sightings.notBeforeMs(this.#config, nowMs) < nowMs;
  }

  #look(flow: FlowTruth, afterMs: number): void {
    const { binding, remote, remotePort } = flow;
    const now = this.#truth.ofInside(binding.protocol, binding.inside, binding.insidePort);
    const isTaken = now !== undefined && now.endedMs === null && !isSameBinding(now, binding);
    const there = now && this.#truth.flowOf(now, remote, remotePort);
    // It came back; whether it was ended since, by whoever may, is looked at elsewhere.
    const isBack = there !== undefined && there !== flow;
    this.#checks.check('I7', isBack || isTaken, () => {
      const ago = `${afterMs.toFixed(0)} ms ago`;
      return `${describeFlow(flow)} was lost with the store's data ${ago}, and not told again`;
    });
  }
}

function isSameBinding(a: FlowTruth['binding'], b: FlowTruth['binding']): boolean {
  return a.outside === b.outside && a.outsidePort === b.outsidePort;
}

function isWell(life: Life, sinceMs: number, nowMs: number): boolean {
  return life.endedMs === null && life.troubledMs(sinceMs, nowMs) <= TROUBLE_MAX_MS;
}
