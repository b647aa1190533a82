import { expect, test } from 'vitest';
import { isGone, nextHops, routeArguments, SILENCES_MAX, type Verdict } from './ecmp.ts';

const [a, b] = ['198.18.101.64', '198.18.101.65'] as const;
const ask = (silences: Map<string, number>, verdicts: Record<string, Verdict>) =>
  nextHops(Object.entries(verdicts), silences);

test('who is ready gets traffic, who says that it is not gets none at once', () => {
  const silences = new Map();
  expect(ask(silences, { [b]: 'ready', [a]: 'ready' })).toEqual([a, b]);
  expect(ask(silences, { [b]: 'unready', [a]: 'ready' })).toEqual([a]);
});

test('one that is no longer there is left out at once', () => {
  const silences = new Map();
  ask(silences, { [a]: 'ready', [b]: 'ready' });
  expect(ask(silences, { [a]: 'ready' })).toEqual([a]);
});

test('silence is borne with a few times, from one that was ready before', () => {
  const silences = new Map();
  expect(ask(silences, { [a]: 'silent' })).toEqual([]);
  ask(silences, { [a]: 'ready' });
  for (let k = 1; k < SILENCES_MAX; k++) expect(ask(silences, { [a]: 'silent' })).toEqual([a]);
  expect(ask(silences, { [a]: 'silent' })).toEqual([]);
  expect(ask(silences, { [a]: 'silent' })).toEqual([]);
});

test('a refused connection is an answer, a timeout is none', () => {
  expect(isGone(new TypeError('failed', { cause: { code: 'ECONNREFUSED' } }))).toBe(true);
  expect(isGone(new DOMException('late', 'TimeoutError'))).toBe(false);
});

test('without a gateway the prefix leads nowhere, not to the engine', () => {
  expect(routeArguments('default', [])).toEqual(['route', 'replace', 'blackhole', 'default']);
  const hops = ['nexthop', 'via', a, 'nexthop', 'via', b];
  expect(routeArguments('default', [a, b])).toEqual(['route', 'replace', 'default', ...hops]);
});
