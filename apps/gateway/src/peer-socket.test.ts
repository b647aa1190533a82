import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { PeerMessage } from '@flowstore/gateway-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openLetter, sealLetter } from './peer-envelope.ts';
import { PeerSocket } from './peer-socket.ts';
import { ReplayWindow } from './replay-window.ts';

const SECRET = 'a secret that all of them share';
const sockets: PeerSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) await socket.close();
});

async function open(name: string, secret = SECRET): Promise<PeerSocket> {
  const incarnation = Buffer.from(name.padEnd(8)).toString('hex');
  const socket = await PeerSocket.open({
    host: '127.0.0.1',
    port: 0,
    name,
    incarnation,
    secret,
    counterStart: 1n,
  });
  sockets.push(socket);
  return socket;
}

function member(name: string, socket: PeerSocket) {
  return { name, incarnation: '0'.repeat(16), controlUrl: '', peerAddress: socket.address };
}

function heardBy(socket: PeerSocket): [string, PeerMessage][] {
  const heard: [string, PeerMessage][] = [];
  socket.onMessage = (from, message) => heard.push([from, message]);
  return heard;
}

const ask: PeerMessage = { kind: 'ask', round: 7 };

describe('messages between gateways', () => {
  test('arrive, and are answered at the address where they came from', async () => {
    const [one, two] = [await open('gw1'), await open('gw2')];
    one.setMembers([member('gw2', two)]);
    const [atOne, atTwo] = [heardBy(one), heardBy(two)];
    one.send({ to: 'gw2', message: ask });
    await vi.waitFor(() => expect(atTwo).toEqual([['gw1', ask]]));
    const contact: PeerMessage = { kind: 'contact', round: 7, heardAgeMs: 1_234 };
    two.send({ to: 'gw1', message: contact });
    await vi.waitFor(() => expect(atOne).toEqual([['gw2', contact]]));
  });

  test('are answered before there is a packet thread: the store was never heard', async () => {
    const [one, two] = [await open('gw1'), await open('gw2')];
    one.setMembers([member('gw2', two)]);
    const heard = heardBy(one);
    one.send({ to: 'gw2', message: ask });
    const answer = { kind: 'contact', round: 7, heardAgeMs: null };
    await vi.waitFor(() => expect(heard).toEqual([['gw2', answer]]));
  });

  test('of somebody without the secret are dropped and counted', async () => {
    const [one, two] = [await open('gw1', 'another secret, as it seems'), await open('gw2')];
    one.setMembers([member('gw2', two)]);
    const heard = heardBy(two);
    one.send({ to: 'gw2', message: ask });
    await vi.waitFor(() => expect(two.counters.forged).toBe(1));
    expect(heard).toEqual([]);
  });

  test('that are sent again by somebody who overheard them are dropped and counted', async () => {
    const two = await open('gw2');
    const heard = heardBy(two);
    const message = Uint8Array.of(1, 1, 0, 0, 0, 7);
    const letter = { from: 'gw1', incarnation: 'ab'.repeat(8), counter: 5n, message };
    const bytes = sealLetter(letter, 'gw2', SECRET);
    const raw = createSocket('udp4');
    const port = Number(two.address.split(':')[1]);
    for (let i = 0; i < 2; i++) raw.send(bytes, port, '127.0.0.1');
    await vi.waitFor(() => expect(two.counters.repeated).toBe(1));
    expect(heard).toEqual([['gw1', ask]]);
    raw.close();
    await once(raw, 'close');
  });

  test('to whom nobody knows go nowhere', async () => {
    const one = await open('gw1');
    one.send({ to: 'gw9', message: ask });
    expect(one.counters).toMatchObject({ sent: 0, undeliverable: 1 });
  });
});

describe('a letter', () => {
  const message = Uint8Array.of(1, 2, 3);
  const letter = { from: 'gw1', incarnation: '0123456789abcdef', counter: 2n ** 60n, message };

  test('is what was sealed, for its receiver alone', () => {
    const bytes = sealLetter(letter, 'gw2', SECRET);
    const opened = openLetter(bytes, 'gw2', SECRET)!;
    expect({ ...opened, message: Uint8Array.from(opened.message) }).toEqual(letter);
    expect(openLetter(bytes, 'gw3', SECRET)).toBeNull();
    expect(openLetter(bytes, 'gw2', `${SECRET}!`)).toBeNull();
  });

  test('with any bit changed, or cut short, is none', () => {
    const bytes = sealLetter(letter, 'gw2', SECRET);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(openLetter(changed, 'gw2', SECRET)).toBeNull();
    }
    for (let end = 0; end < bytes.length; end++) {
      expect(openLetter(bytes.subarray(0, end), 'gw2', SECRET)).toBeNull();
    }
  });
});

test('a replay window takes each counter once, and none that is too old to tell', () => {
  const window = new ReplayWindow();
  const accepted = (...counters: bigint[]) => counters.map((counter) => window.accept(counter));
  expect(accepted(5n, 5n, 3n, 4n, 3n)).toEqual([true, false, true, true, false]);
  expect(accepted(68n, 5n, 4n, 6n, 6n)).toEqual([true, false, false, true, false]);
  expect(accepted(1_000n, 936n, 937n, 937n)).toEqual([true, false, true, false]);
});
