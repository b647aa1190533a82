/** Openings whose calls get no answer: the parts around them are stand-ins, so that each answer
 * comes when the test says. */
import { BLOCK_PORTS, firstPortOfBlock, parseAddress, TCP } from '@flowstore/flow';
import type { OpenRequest, OpenResult } from '@flowstore/flow-store';
import { PortBlocks } from '@flowstore/nat';
import { describe, expect, test } from 'vitest';
import { Opener, type OpenOutcome } from './opener.ts';

const BLOCK = 7;
const range = { shard: 1, protocol: TCP, address: parseAddress('203.0.113.1') };

function stage() {
  const blocks = new PortBlocks(() => 0);
  const calls: { request: OpenRequest; answer: (result: OpenResult | null) => void }[] = [];
  let isAway = false;
  const parts = {
    ports: {
      blocks,
      rangeFor: () => range,
      parityFor: () => (1 << BLOCK_PORTS) - 1,
      reserved: () => [],
      take: (_: unknown, parity: number, unasked: boolean, nowMs: number) =>
        unasked ? blocks.takeSure(range, nowMs, parity) : blocks.take(range, nowMs, parity),
      settle: (_: unknown, port: number, settlement: 'used' | 'unused' | 'unanswered') =>
        blocks.settle(range, BLOCK, port, settlement),
      lease: (_: unknown, nowMs: number, done: (outcome: string, nowMs: number) => void) =>
        done('noAnswer', nowMs),
    },
    provisional: { mayOpen: () => isAway },
    outbox: {
      ask: (
        _: string,
        request: (sendMs: number) => OpenRequest,
        onAnswer: (result: OpenResult | null, sentMs: number, nowMs: number) => void,
      ) => {
        calls.push({ request: request(0), answer: (result) => onAnswer(result, 0, 0) });
        return true;
      },
    },
    incarnation: '1',
    random: () => 0,
    limits: { proposalsMax: 4 },
    counters: {},
  };
  const opener = new Opener(parts as unknown as ConstructorParameters<typeof Opener>[0]);
  const open = (port: number): OpenOutcome[] => {
    const outcomes: OpenOutcome[] = [];
    const inside = { domain: 0, protocol: TCP, address: parseAddress('198.18.1.10'), port };
    const seen = { flags: 0, seenMs: 0 };
    const opening = { inside, remote: null, mayBind: true, replaces: null, ...seen };
    opener.open(opening, 0, (outcome) => outcomes.push(outcome));
    return outcomes;
  };
  return { blocks, calls, open, away: () => (isAway = true) };
}

describe('a port that a call may still bind', () => {
  test('serves the very opening that asked, without the store', () => {
    const { blocks, calls, open, away } = stage();
    blocks.grant(range, BLOCK, 0b1, 1_000, 0);
    const outcomes = open(5_000);
    away();
    calls[0]!.answer(null);
    expect(outcomes).toMatchObject([{ kind: 'provisional' }]);
  });

  test('serves no other opening without the store, though the store said that it is free', () => {
    const { blocks, calls, open, away } = stage();
    blocks.grant(range, BLOCK, 0b1, 1_000, 0);
    open(5_000);
    calls[0]!.answer(null);
    blocks.grant(range, BLOCK, 0b1, 1_000, 2);
    const outcomes = open(5_001);
    away();
    calls[1]!.answer(null);
    expect(outcomes).toMatchObject([{ kind: 'noAnswer' }]);
    expect(open(5_002)).toMatchObject([{ kind: 'noAnswer' }]);
  });

  test('serves nobody else where its own opening found no room', () => {
    const { blocks, calls, open, away } = stage();
    blocks.grant(range, BLOCK, 0b1, 1_000, 0);
    open(5_000);
    away();
    calls[0]!.answer(null);
    blocks.settle(range, BLOCK, firstPortOfBlock(BLOCK), 'unused');
    expect(open(5_001)).toMatchObject([{ kind: 'noAnswer' }]);
  });
});
