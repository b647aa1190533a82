import { expect, test } from 'vitest';
import { Random } from './random.ts';
import { Timeline } from './timeline.ts';

test('what is due happens in the order of time, then of entry', () => {
  const timeline = new Timeline();
  const happened: string[] = [];
  const random = new Random(1);
  for (let i = 0; i < 500; i++) {
    const atMs = random.below(50);
    timeline.at(atMs, () => happened.push(`${String(atMs).padStart(2, '0')}/${1_000 + i}`));
  }
  timeline.runUntil(24);
  expect(timeline.nowMs).toBe(24);
  timeline.runUntil(100);
  expect(happened).toHaveLength(500);
  expect(happened).toEqual([...happened].sort());
});

test('what is entered for the past happens now, and a stopped timeline stands still', () => {
  const timeline = new Timeline();
  timeline.runUntil(10);
  const at: number[] = [];
  timeline.at(3, () => {
    at.push(timeline.nowMs);
    timeline.after(5, () => at.push(timeline.nowMs));
    timeline.after(6, () => timeline.stop());
    timeline.after(7, () => at.push(-1));
  });
  timeline.runUntil(50);
  expect(at).toEqual([10, 15]);
  expect(timeline.nowMs).toBe(16);
});

test('a stream of a name is the same whatever was drawn before', () => {
  const one = new Random(5);
  const other = new Random(5);
  other.next();
  expect(one.fork('a').next()).toBe(other.fork('a').next());
  expect(one.fork('a').next()).not.toBe(one.fork('b').next());
  expect(new Random(5).next()).not.toBe(new Random(6).next());
});
