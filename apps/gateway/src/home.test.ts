import { expect, test } from 'vitest';
import { gatewaySchema } from './config.ts';
import { NotAtHomeError, settleIn } from './home.ts';

const config = gatewaySchema.parse({
  name: 'gw1',
  redis: { url: 'redis://127.0.0.1:6379' },
  devices: { inside: '198.18.101.0/24', outside: 'eth7' },
  http: { host: '0.0.0.0' },
  peers: { host: '192.0.2.0/24' },
  cluster: { pool: ['203.0.113.0/28'], insidePrefixes: ['198.18.0.0/16'] },
});

const links = {
  eth0: [{ address: '192.0.2.101' }, { address: 'fe80::1%eth0' }],
  eth1: [{ address: '198.18.1.5' }],
  eth2: [{ address: '2001:db8::2' }, { address: '198.18.101.2' }],
};

test('a network stands for the link, or the address, that this box has in it', () => {
  const { devices, http, peers } = settleIn(config, links);
  expect(devices).toEqual({ inside: 'eth2', outside: 'eth7', domains: [] });
  expect(http.host).toBe('0.0.0.0');
  expect(peers.host).toBe('192.0.2.101');
});

test('a box that is not in the network says which setting that is about', () => {
  const { eth2: _, ...others } = links;
  expect(() => settleIn(config, others)).toThrow(NotAtHomeError);
  expect(() => settleIn(config, others)).toThrow(/devices\.inside.*198\.18\.101\.0\/24/);
});
