import {
  CLUSTER_DEFAULTS,
  formatAddress,
  ipv4FromNumber,
  parseAddress,
  parseIpv4Number,
  shardOfOutside,
  TCP,
  UDP,
} from '@flowstore/flow';
import { expect, test } from 'vitest';
import { OutsidePool } from './outside-pool.ts';
import { Pools } from './pools.ts';
import { ReservedBlocks } from './reserved-blocks.ts';

const config = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/16'],
};

const from = (text: string) => parseAddress(text);

test('6888-3: a pool is of ranges in any number, none of them aligned', () => {
  const pool = new OutsidePool(['203.0.113.3-203.0.113.5', '203.0.113.200', '192.0.2.254/31']);
  expect(pool.size).toBe(6);
  expect(pool.contains(parseIpv4Number('203.0.113.5'))).toBe(true);
  expect(pool.contains(parseIpv4Number('203.0.113.6'))).toBe(false);
});

test('an inside address has the pool of its longest prefix, of its domain', () => {
  const pools = new Pools({
    ...config,
    pools: [
      { addresses: ['203.0.113.16'], insidePrefixes: ['198.18.0.0/20'], domain: 0 },
      { addresses: ['203.0.113.17'], insidePrefixes: ['198.18.1.0/24'], domain: 0 },
      { addresses: ['203.0.113.18'], insidePrefixes: [], domain: 7 },
    ],
  });
  const of = (domain: number, inside: string) =>
    formatAddress(pools.addressFor(domain, from(inside)));
  expect(of(0, '198.18.1.9')).toBe('203.0.113.17');
  expect(of(0, '198.18.2.9')).toBe('203.0.113.16');
  expect(of(7, '198.18.1.9')).toBe('203.0.113.18');
  expect(of(8, '198.18.1.9')).toMatch(/^203\.0\.113\.\d$|^203\.0\.113\.1[0-5]$/);
  expect(of(0, '198.18.16.1')).toMatch(/^203\.0\.113\.\d$|^203\.0\.113\.1[0-5]$/);
  expect(pools.contains(parseIpv4Number('203.0.113.18'))).toBe(true);
  expect(pools.contains(parseIpv4Number('203.0.113.19'))).toBe(false);
});

test('a one-to-one address of a pool is nobody else’s', () => {
  const oneToOne = [{ outside: '203.0.113.0/29', inside: '198.18.9.0/29', domain: 0 }];
  const pools = new Pools({ ...config, oneToOne });
  expect(pools.contains(parseIpv4Number('203.0.113.7'))).toBe(false);
  for (let i = 0; i < 500; i++) {
    const address = pools.addressFor(0, ipv4FromNumber(parseIpv4Number('198.18.3.0') + i));
    expect(address[3]).toBeGreaterThanOrEqual(8);
  }
});

test('the blocks of forwarded ports are reserved, for their protocol and address alone', () => {
  const reserved = new ReservedBlocks([
    { protocol: 'tcp', outside: '203.0.113.5:1000-1040', inside: '198.18.1.1:1-41', domain: 0 },
    { protocol: 'tcp', outside: '203.0.113.5:80', inside: '198.18.1.1:80', domain: 0 },
  ]);
  const address = from('203.0.113.5');
  const blocks = Array.from({ length: 64 }, (_, shard) =>
    reserved.of({ shard, protocol: TCP, address }),
  ).flat();
  expect(blocks.sort()).toEqual([0, 1]);
  const shard = shardOfOutside(TCP, address, 1040);
  expect(reserved.of({ shard, protocol: TCP, address })).toContain(1);
  expect(reserved.of({ shard, protocol: UDP, address })).toEqual([]);
  expect(reserved.has({ shard, protocol: TCP, address }, 1)).toBe(true);
  expect(reserved.has({ shard, protocol: TCP, address: from('203.0.113.6') }, 1)).toBe(false);
});
