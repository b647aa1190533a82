import { expect, test } from 'vitest';
import { encodeAnswer, encodeQuestion, readName } from './dns.ts';
import { Witness } from './witness.ts';
import { readWords, sayWords } from './words.ts';

test('words say whose they are, and nothing else is words', () => {
  const words = { flow: 'c1-7', sequence: 3, endpoint: '198.18.1.10:40001', padding: '...' };
  expect(readWords(sayWords(words))).toEqual(words);
  for (const text of ['', 'what?', 'chaos f 1', 'chaos f -1 1.2.3.4:5 ', 'chaos f 1 x ']) {
    expect(readWords(text)).toBeNull();
  }
});

test('a DNS answer has the name of its question', () => {
  const question = encodeQuestion(513, ['c1-7', '40001', '10', 'test']);
  const answer = encodeAnswer(question, [192, 0, 2, 1]);
  for (const message of [question, answer]) {
    expect(readName(message)).toEqual({ id: 513, labels: ['c1-7', '40001', '10', 'test'] });
  }
  expect(answer.readUInt16BE(6)).toBe(1);
  for (let length = 0; length < question.length - 5; length++) {
    expect(readName(question.subarray(0, length))).toBeNull();
  }
});

test('a witness tells when an outside endpoint changed hands too early', () => {
  const witness = new Witness(1_000);
  expect(witness.hear('udp', 'x', 'a', 0)).toBeNull();
  expect(witness.hear('tcp', 'x', 'b', 1)).toBeNull();
  expect(witness.hear('udp', 'x', 'a', 500)).toBeNull();
  expect(witness.hear('udp', 'x', 'b', 1_499)).toMatchObject({ former: 'a', agoMs: 999 });
  expect(witness.hear('udp', 'x', 'c', 2_499)).toBeNull();
});

test('a witness forgets the endpoint that was silent for longest, at its limit', () => {
  const witness = new Witness(1_000, 2);
  for (const [at, outside] of ['x', 'y', 'x', 'z'].entries()) witness.hear('udp', outside, 'a', at);
  expect(witness.hear('udp', 'x', 'b', 10)).not.toBeNull();
  expect(witness.hear('udp', 'y', 'b', 10)).toBeNull();
});
