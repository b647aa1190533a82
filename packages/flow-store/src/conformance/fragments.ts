/** What is told of a fragmented datagram is known to whoever asks, for a while. */
import {
  DATAGRAM_LIFE_MS,
  type Datagram,
  FRAGMENT_LIFE_MS,
  parseAddress,
  SHARDS,
  shardOfDatagram,
  UDP,
} from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { FragmentResult } from '../fragments.ts';
import { POOL, POOL_V6, type Scenario, SHARD } from './scenario.ts';

const OTHER_POOL = parseAddress('203.0.113.2');

/** The n-th datagram of SHARD: the only one whose time the harness of Redis moves. */
function datagramOf(n = 0, more: Partial<Datagram> = {}): Datagram {
  const ends = {
    source: parseAddress('198.18.1.10'),
    destination: parseAddress('198.51.100.10'),
  };
  const datagram = { domain: 0, protocol: UDP, ...ends, ...more, identification: -1 };
  for (let found = -1; found < n; ) {
    datagram.identification += 1;
    if (shardOfDatagram(datagram) === SHARD) found += 1;
  }
  return datagram;
}

export function fragmentTests(current: () => Scenario): void {
  const send = async (
    datagram: Datagram,
    told: { address: Uint8Array; identification: number | null } | null,
    start = 0,
  ) => {
    const [result] = await current().store.fragment([{ datagram, told, start }]);
    return result!;
  };
  const ask = (datagram: Datagram) => send(datagram, null);
  const numberOf = (result: FragmentResult) =>
    result.kind === 'known' ? result.identification : null;

  it('is known once it was told, by either family, and nobody else’s is', async () => {
    const six = { source: parseAddress('2001:db8::1'), destination: parseAddress('2001:db8::2') };
    const cases = [
      [datagramOf(0), POOL],
      [datagramOf(0, six), POOL_V6],
    ] as const;
    for (const [datagram, address] of cases) {
      expect(await ask(datagram)).toEqual({ kind: 'unknown' });
      const known = { kind: 'known', address, identification: 7 };
      expect(await send(datagram, { address, identification: 7 })).toEqual(known);
      expect(await ask(datagram)).toEqual(known);
      expect(await ask({ ...datagram, domain: 7 })).toEqual({ kind: 'unknown' });
    }
  });

  it('told again stays as it was, unless the address is another one', async () => {
    const datagram = datagramOf();
    const first = await send(datagram, { address: POOL, identification: null }, 5);
    expect(await send(datagram, { address: POOL, identification: null }, 9)).toEqual(first);
    const other = await send(datagram, { address: OTHER_POOL, identification: 8 });
    expect(other).toEqual({ kind: 'known', address: OTHER_POOL, identification: 8 });
    expect(await ask(datagram)).toEqual(other);
  });

  it('is over FRAGMENT_LIFE_MS after it was told last', async () => {
    const s = current();
    const told = { address: POOL, identification: 7 };
    await send(datagramOf(), told);
    await s.harness.advance(FRAGMENT_LIFE_MS - 1);
    await send(datagramOf(), told);
    await s.harness.advance(FRAGMENT_LIFE_MS - 1);
    expect((await ask(datagramOf())).kind).toBe('known');
    await s.harness.advance(1);
    expect((await ask(datagramOf())).kind).toBe('unknown');
  });

  it('7857-10: no two datagrams from an address to a destination have one number', async () => {
    const { store } = current();
    const wanted = { address: POOL, identification: null };
    // Of two hosts behind the address, of all shards.
    const requests = ['198.18.1.10', '198.18.1.11'].flatMap((text) =>
      Array.from({ length: 2_000 }, (_, identification) => {
        const datagram = { ...datagramOf(), source: parseAddress(text), identification };
        return { datagram, told: wanted, start: 0xffff };
      }),
    );
    const numbers = (await store.fragment(requests)).map((result) => numberOf(result!)!);
    expect(new Set(numbers).size).toBe(4_000);
    for (const [i, number] of numbers.entries()) {
      expect(number).toBeGreaterThanOrEqual(0x8000);
      expect(number % SHARDS).toBe(shardOfDatagram(requests[i]!.datagram));
    }
  });

  it('counts on where it was, by address and destination, and begins at random', async () => {
    const s = current();
    const wanted = { address: POOL, identification: null };
    const of = (sequence: number) => 0x8000 + sequence * SHARDS + SHARD;
    expect(numberOf(await send(datagramOf(0), wanted, 0x0205))).toBe(of(5));
    expect(numberOf(await send(datagramOf(1), wanted, 0x0300))).toBe(of(6));
    const other = { ...wanted, address: OTHER_POOL };
    expect(numberOf(await send(datagramOf(2), other, 9))).toBe(of(9));
    await s.harness.advance(DATAGRAM_LIFE_MS - 1);
    expect(numberOf(await send(datagramOf(3), wanted, 0))).toBe(of(7));
    await s.harness.advance(DATAGRAM_LIFE_MS);
    expect(numberOf(await send(datagramOf(4), wanted, 1))).toBe(of(1));
  });
}
