// A minute of chaos on real parts, with the outages that a test has time for.
import { checkRequirements, Lab, LabError } from '@flowstore/lab';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ChaosResult, runChaos } from './chaos.ts';
import type { FaultKind, Step } from './plan.ts';
import { newWhileAway, toJson } from './report.ts';
import { LOAD_DEFAULT } from './traffic-run.ts';

function skipReason(): string {
  try {
    checkRequirements();
    return '';
  } catch (error) {
    if (error instanceof LabError) return error.message;
    throw error;
  }
}

const skip = skipReason();
const why = skip === '' ? '' : ` (${skip})`;

const step = (kind: FaultKind, over: Partial<Step> = {}): Step => ({
  kind,
  target: 0,
  lastsMs: 2_000,
  pauseMs: 2_000,
  variant: false,
  together: false,
  ...over,
});

const steps = [
  step('flood'),
  step('gatewayKill', { variant: true }),
  step('routeFlap', { target: 1, lastsMs: 4_000 }),
  step('garbage', { together: true }),
  step('diskFull', { together: true, lastsMs: 4_000 }),
  step('reaperStop', { lastsMs: 4_000 }),
  step('storeRestartEmpty'),
  step('reaperKill'),
  // Once grace is over: what only one place knew is told again until then.
  step('gatewayStop', { target: 2, pauseMs: 13_000, lastsMs: 3_000 }),
  step('storePause', { lastsMs: 12_000, pauseMs: 5_000 }),
];
const load = { ...LOAD_DEFAULT, dnsPerS: 30 };

describe.skipIf(skip)(`a minute of chaos${why}`, () => {
  let result: ChaosResult;

  beforeAll(async () => {
    const { state } = await new Lab().status();
    if (state === 'up') throw new Error('a lab is up already; take it down first: lab down');
    const base = { seed: 1, store: 'single', figures: 'short', log: () => {} } as const;
    result = await runChaos({ ...base, minutes: 0.5, load, steps });
  }, 400_000);

  it('gateways that die or stand still, a store that forgets: no flow is lost', () => {
    expect(result.violations).toEqual([]);
    expect(result.faults).toMatchObject({ gatewayKill: 1, storeRestartEmpty: 1, gatewayStop: 1 });
    expect(toJson(result).flows).toMatchObject({ reset: 0, misdelivered: 0 });
  });

  it('a store that is away for longer than a cache lease leaves new flows some ports', () => {
    const { begun, failed } = newWhileAway(result);
    // Those that found a port in a lease that was held.
    expect(begun - failed).toBeGreaterThan(100);
  });

  it('nothing of all that is left in the store', () => {
    expect(result.leftInStore).toBe(0);
  });
});
