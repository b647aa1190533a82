import { expect, test } from 'vitest';
import { readSightings, takeOverMs } from './sightings.ts';

function capture(...packets: [ms: number, text: string][]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  const records = packets.map(([ms, text]) => {
    const record = Buffer.alloc(16 + text.length);
    record.writeUInt32LE(Math.floor(ms / 1_000), 0);
    record.writeUInt32LE((ms % 1_000) * 1_000, 4);
    record.writeUInt32LE(text.length, 8);
    record.write(text, 16, 'latin1');
    return record;
  });
  return Buffer.concat([head, ...records]);
}

const words = (flow: string, number: number) => `....chaos ${flow} ${number} 198.18.1.10:40000 \n`;

test('a capture tells when each payload was seen first, and nothing else', () => {
  const bytes = capture([5, words('a', 0)], [9, words('a', 0)], [7, 'chaos b 0 203.0.113.1:1 ']);
  expect([...readSightings(bytes)]).toEqual([['a 0', 5]]);
  expect(readSightings(bytes.subarray(0, 60)).size).toBe(0);
});

test('how long the first packet of a flow took, of those that came after the kill alone', () => {
  const arrived = new Map([
    ['old 4', 90],
    ['old 5', 110],
    ['new 7', 120],
    ['new 8', 130],
    ['gone 1', 140],
  ]);
  const left = new Map([
    ['new 7', 123],
    ['new 8', 131],
  ]);
  expect(takeOverMs(arrived, left, 100)).toEqual([3, Infinity]);
});
