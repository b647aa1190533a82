// A minute of chaos on real parts, and the outages that a test has time for.
import { checkRequirements, Lab, LabError } from '@flowstore/lab';
import { describe, expect, it } from 'vitest';
import { type ChaosOptions, runChaos } from './chaos.ts';
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
const base = { seed: 1, store: 'single', figures: 'short', log: () => {} } as const;

const step = (kind: FaultKind, over: Partial<Step> = {}): Step => ({
  kind,
  target: 0,
  lastsMs: 2_000,
  pauseMs: 2_000,
  variant: false,
  together: false,
  ...over,
});

async function run(options: Partial<ChaosOptions> & { minutes: number }) {
  const { state } = await new Lab().status();
  if (state === 'up') throw new Error('a lab is up already; take it down first: lab down');
  return runChaos({ ...base, ...options });
}

describe.skipIf(skip)(`chaos${why}`, { timeout: 300_000 }, () => {
  it('gateways that die or stand still, a store that forgets: no flow is lost', async () => {
    const steps = [
      step('gatewayKill', { variant: true }),
      step('routeFlap', { target: 1, lastsMs: 4_000 }),
      step('reaperStop', { lastsMs: 6_000 }),
      step('storeRestartEmpty'),
      step('reaperKill'),
      // Once grace is over: what only one place knew is told again until then.
      step('gatewayStop', { target: 2, pauseMs: 13_000, lastsMs: 4_000 }),
    ];
    const result = await run({ minutes: 0.6, steps });
    const { flows, violations, leftInStore } = toJson(result);
    expect(violations).toEqual([]);
    expect(flows).toMatchObject({ reset: 0, misdelivered: 0 });
    expect(leftInStore).toBe(0);
  });

  it('with the store away for longer than a cache lease keeps every known flow', async () => {
    const load = { ...LOAD_DEFAULT, dnsPerS: 50 };
    const steps = [step('storePause', { lastsMs: 20_000 })];
    const result = await run({ minutes: 0.5, load, steps });
    expect(result.violations).toEqual([]);
    const { begun, failed } = newWhileAway(result);
    // Those that found a port in a lease that was held.
    expect(begun - failed).toBeGreaterThan(100);
  });
});
