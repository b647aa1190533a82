import { type ClusterConfig, canonicalConfig } from '@flowstore/flow';
import { expect, test } from 'vitest';
import { ConfigFollower, type ReadConfig } from './config-follower.ts';
import { CONFORMANCE_CONFIG as CONFIG } from './conformance/harness.ts';

const NEXT = { ...CONFIG, version: 2, ttlMarginMs: 500_000 };
const text = canonicalConfig;

const read: ReadConfig = (json) => {
  const config = JSON.parse(json) as ClusterConfig & { novelty?: unknown };
  return config.novelty === undefined ? { config } : { problems: ['novelty: not known here'] };
};

function terms(holds: ClusterConfig, next: ClusterConfig | null = null) {
  return { holds: text(holds), next: next === null ? null : text(next), layout: 1 };
}

test('what is published is gone by beside what holds, and said once that is done', () => {
  const follower = new ConfigFollower(CONFIG, read);
  expect(follower.hear(terms(CONFIG))).toEqual({ kind: 'asBefore' });
  expect(follower.hear(terms(CONFIG, NEXT))).toEqual({ kind: 'goBy', holds: CONFIG, next: NEXT });
  expect(follower.stance).toBeNull();
  follower.done();
  expect(follower.stance).toEqual({ next: text(NEXT), problems: [] });
  expect(follower.hear(terms(CONFIG, NEXT))).toEqual({ kind: 'asBefore' });
  expect(follower.hear(terms(NEXT))).toEqual({ kind: 'goBy', holds: NEXT, next: null });
  expect(follower.stance).toBeNull();
});

test('another one that is published instead has to be gone by anew', () => {
  const follower = new ConfigFollower(CONFIG, read);
  follower.hear(terms(CONFIG, NEXT));
  follower.done();
  const other = { ...NEXT, ttlMarginMs: 400_000 };
  expect(follower.hear(terms(CONFIG, other))).toMatchObject({ kind: 'goBy', next: other });
  expect(follower.stance).toBeNull();
});

test('who was started with the next one goes by both, whatever grows', () => {
  const shorter = { ...NEXT, timeouts: { ...CONFIG.timeouts, udpMs: 10_000 } };
  const follower = new ConfigFollower(shorter, read);
  const followed = follower.hear(terms(CONFIG, shorter));
  expect(followed).toEqual({ kind: 'goBy', holds: CONFIG, next: shorter });
});

test.each([
  ['what it does not know', { novelty: 1 }, 'novelty: not known here'],
  ['what may not change', { leaseMs: 91_000 }, expect.stringMatching(/^leaseMs: /)],
])('it refuses %s, names it, and goes on by what holds', (_what, change, problem) => {
  const follower = new ConfigFollower(CONFIG, read);
  const next = { ...NEXT, ...change };
  expect(follower.hear(terms(CONFIG, next))).toEqual({ kind: 'goBy', holds: CONFIG, next: null });
  follower.done();
  expect(follower.stance).toEqual({ next: text(next), problems: [problem] });
  // Where it holds after all (this member was taken for dead), there is nothing to go by.
  expect(follower.hear(terms(next))).toEqual({ kind: 'lost', problems: [problem] });
  expect(follower.holds).toEqual(CONFIG);
});
