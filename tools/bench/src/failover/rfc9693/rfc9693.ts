/**
 * RFC 9693's figures of a stateful NAT, before a kill and across it: its maximum connection
 * establishment rate, and of its connection tracking table's capacity as much as is asked for. All
 * are UDP, as there, each from a source port of its own; one counts once an answer came back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '@flowstore/lab';
import { highestRate } from './highest-rate.ts';
import { Tester } from './tester.ts';
import { CONNECTIONS_MAX } from './words.ts';

const RATE_MIN = 250;
/** What the tester itself is good for. */
const RATE_MAX = 16_000;
/** A trial lasts a second, lest a queue takes all of it. */
const TRIAL_MIN = 500;
const HELD_MAX = 50_000;
const HELD_STEP = 10_000;
/** Of the rate that was found: what all else is done at. */
const CALM_SHARE = 0.5;
const ACROSS_PER_S_MAX = 1_000;
const ACROSS_S = 4;
/** Each connection has a port of its own: the search may use so many. */
const SEARCH_MAX = CONNECTIONS_MAX - HELD_MAX - ACROSS_S * ACROSS_PER_S_MAX;

export interface Rfc9693Figures {
  /** Connections per second, none lost; of RATE_MAX at most. */
  readonly establishedPerS: number;
  /** Of those that were asked for, HELD_MAX at most, how many were open at once, and answered. */
  readonly held: number;
  readonly heldAsked: number;
  /** After a kill: of those that were held, how many are still answered. */
  readonly survived: number;
  /** Begun within the four seconds around the kill, at a thousand a second at most. */
  readonly acrossAsked: number;
  readonly acrossEstablished: number;
  /** Connections that had the outside endpoint of another one. */
  readonly shared: number;
}

export async function measureRfc9693(lab: Lab, kill: () => Promise<void>): Promise<Rfc9693Figures> {
  const tester = await Tester.start(lab);
  try {
    return await measure(tester, kill);
  } finally {
    await tester.end();
  }
}

async function measure(tester: Tester, kill: () => Promise<void>): Promise<Rfc9693Figures> {
  let next = 0;
  const take = (count: number) => {
    next += count;
    return { first: next - count, count };
  };
  const trial = async (perS: number): Promise<boolean> => {
    const range = take(Math.max(TRIAL_MIN, perS));
    if (next > SEARCH_MAX) throw new Error('the search for the rate used all ports');
    if ((await tester.establish(range, perS)) < range.count) return false;
    return (await tester.validate(range, perS)) === range.count;
  };
  const establishedPerS = await highestRate(trial, RATE_MIN, RATE_MAX);
  const perS = Math.max(RATE_MIN, CALM_SHARE * establishedPerS);

  const all = { first: next, count: 0 };
  let held = 0;
  while (all.count < HELD_MAX && held === all.count) {
    const range = take(HELD_STEP);
    await tester.establish(range, perS);
    all.count += HELD_STEP;
    held = await tester.validate({ ...all }, 2 * perS);
  }

  const acrossPerS = Math.min(perS, ACROSS_PER_S_MAX);
  const across = take(ACROSS_S * acrossPerS);
  await Promise.all([tester.establish(across, acrossPerS), sleep(ACROSS_S * 500).then(kill)]);
  const acrossEstablished = await tester.validate(across, perS);
  const survived = await tester.validate(all, 2 * perS);
  return {
    establishedPerS,
    held,
    heldAsked: all.count,
    survived,
    acrossAsked: across.count,
    acrossEstablished,
    shared: await tester.shared(),
  };
}
