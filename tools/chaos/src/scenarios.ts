/** Outages of the contract (docs/outages.md), each alone and at its full length. */
import type { ChaosOptions } from './chaos.ts';
import type { FaultKind, Step } from './plan.ts';
import { LOAD_DEFAULT, type Load } from './traffic-run.ts';

type Scenario = Pick<ChaosOptions, 'minutes' | 'figures' | 'steps'> & { readonly load: Load };

const CALM_MS = 10_000;
const AFTERWARDS_MINUTES = 0.75;

function alone(kind: FaultKind, lastsMs: number, load: Load = LOAD_DEFAULT): Scenario {
  const step: Step = {
    kind,
    target: 0,
    lastsMs,
    pauseMs: CALM_MS,
    variant: false,
    together: false,
  };
  const minutes = (CALM_MS + lastsMs) / 60_000 + AFTERWARDS_MINUTES;
  return { minutes, figures: 'default', steps: [step], load };
}

const SOAK_MINUTES = 60;
/** With the five seconds that it is away and the few that a gateway takes to start, a minute. */
const BETWEEN_KILLS_MS = 52_000;

/** gw3 is spared, so that one gateway's memory is seen over the whole time. */
function soak(): Scenario {
  const steps = Array.from({ length: SOAK_MINUTES - 1 }, (_, k): Step => {
    return {
      kind: 'gatewayKill',
      target: k % 2,
      lastsMs: 5_000,
      pauseMs: BETWEEN_KILLS_MS,
      variant: k % 4 > 1,
      together: false,
    };
  });
  return { minutes: SOAK_MINUTES, figures: 'default', steps, load: LOAD_DEFAULT };
}

const BUSY: Load = { ...LOAD_DEFAULT, shortsPerS: 0, dnsPerS: 500 };

export const SCENARIOS = {
  /** The store is away for 45 s, while 1,000 flows a second begin. */
  away45s: alone('storePause', 45_000, BUSY),
  /** For ten minutes, ten times a cache lease, for everybody. */
  away10min: alone('storePause', 600_000),
  /** For one gateway only, beyond the end of its port leases. */
  cutOff: alone('cutOff', 150_000),
  /** An hour of churn, a kill every minute; what each program takes is told at the end. */
  soak: soak(),
} as const satisfies Readonly<Record<string, Scenario>>;
export type ScenarioName = keyof typeof SCENARIOS;
