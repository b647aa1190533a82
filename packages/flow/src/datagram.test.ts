import { expect, test } from 'vitest';
import { parseAddress } from './address.ts';
import { type Datagram, packDatagram, shardOfDatagram } from './datagram.ts';
import { OUTSIDE_DOMAIN } from './endpoint.ts';
import { UDP } from './protocol.ts';

const datagram: Datagram = {
  domain: OUTSIDE_DOMAIN,
  protocol: UDP,
  source: parseAddress('198.51.100.10'),
  destination: parseAddress('203.0.113.5'),
  identification: 0xabcd,
};

test('a datagram packs to what all of its fragments share', () => {
  const hex = Buffer.from(packDatagram(datagram)).toString('hex');
  expect(hex).toBe('ffffff11c633640acb0071050000abcd');
  const six = { source: parseAddress('2001:db8::1'), destination: parseAddress('2001:db8::2') };
  expect(packDatagram({ ...datagram, ...six })).toHaveLength(40);
});

test('datagrams are spread over the shards', () => {
  const shards = new Set<number>();
  for (let identification = 0; identification < 2_000; identification++) {
    shards.add(shardOfDatagram({ ...datagram, identification }));
  }
  expect(shards.size).toBe(64);
});
