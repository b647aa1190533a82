import { describe, expect, it } from 'vitest';
import { figuresOf, graceMs } from './figures.ts';
import { kindsFor, planRun } from './plan.ts';

const figures = figuresOf('default');

describe('a plan', () => {
  it('is the same for the same seed, and another one for another', () => {
    expect(planRun(7, 10, 'single', figures)).toEqual(planRun(7, 10, 'single', figures));
    expect(planRun(8, 10, 'single', figures)).not.toEqual(planRun(7, 10, 'single', figures));
  });

  it('has every kind of fault that the store knows in a long run', () => {
    for (const store of ['single', 'sentinel', 'cluster'] as const) {
      const kinds = new Set(planRun(1, 60, store, figures).map(({ kind }) => kind));
      expect([...kinds].sort()).toEqual(kindsFor(store).sort());
    }
  });

  it('does one thing at a time to a gateway, and to the reaper', () => {
    for (let seed = 0; seed < 200; seed++) {
      let group: { kind: string; target: number }[] = [];
      for (const { kind, target, together } of planRun(seed, 30, 'single', figures)) {
        if (!together) group = [];
        if (kind.startsWith('reaper')) {
          expect(group.filter((other) => other.kind.startsWith('reaper'))).toEqual([]);
        }
        if (kind === 'routeFlap' && together) expect(group[0]!.target).not.toBe(target);
        group.push({ kind, target });
      }
    }
  });

  it('takes no gateway away before all have told the store what it forgot', () => {
    for (let seed = 0; seed < 50; seed++) {
      let calmMs = Infinity;
      for (const { kind, pauseMs, lastsMs, together } of planRun(seed, 30, 'cluster', figures)) {
        calmMs += pauseMs;
        if (/gatewayKill|gatewayStop|linkDown|cutOff|upgrade/.test(kind)) {
          expect(calmMs).toBeGreaterThanOrEqual(graceMs(figures) - 1);
        }
        calmMs = /Restart|Failover|oldMaster/.test(kind) ? 0 : calmMs + (together ? 0 : lastsMs);
      }
    }
  });
});
