import { describe, expect, it } from 'vitest';
import { chooseManagement, gatewayAddress, managementCandidates } from './management.ts';
import {
  checkGatewayCount,
  isLabLink,
  isLabNamespace,
  linkAddresses,
  parseGateway,
  parseNode,
} from './plan.ts';
import { routeArguments } from './routes.ts';

describe('names and addresses', () => {
  it('follow the contract up to the last gateway', () => {
    expect(linkAddresses('inside', 16)).toEqual({
      router: '198.18.116.1',
      gateway: '198.18.116.2',
    });
    expect(linkAddresses('outside', 1).gateway).toBe('198.19.101.2');
  });

  it('take nodes with and without the prefix, and only those that are there', () => {
    expect(parseNode('client1', 2)).toBe('fs-client1');
    expect(parseNode('fs-gw2', 2)).toBe('fs-gw2');
    expect(parseGateway('gw2', 2)).toBe(2);
    for (const name of ['gw3', 'gw0', 'gw02', 'gw', 'client1', '']) {
      expect(() => parseGateway(name, 2)).toThrow(/no gateway/);
    }
    for (const name of ['gw3', 'root', '../x', '']) {
      expect(() => parseNode(name, 2)).toThrow(/no node/);
    }
  });

  it('claim no namespace or link but the lab’s own', () => {
    expect(['fs-lan', 'fs-gw1', 'fs-gw16'].every(isLabNamespace)).toBe(true);
    expect(['fs-gw17', 'fspio-a', 'fs-other', 'lan'].some(isLabNamespace)).toBe(false);
    expect(['fs-mgmt', 'fs-mgmt-gw1', 'fs-mgmt-gw16'].every(isLabLink)).toBe(true);
    expect(['eth0', 'fs-mgmt-gw17', 'fs-mgmt0', 'fs-mgmt-gw01'].some(isLabLink)).toBe(false);
  });

  it('refuse sizes that make no sense', () => {
    for (const count of [0, 17, 1.5, Number.NaN]) {
      expect(() => checkGatewayCount(count)).toThrow(/1\.\.16/);
    }
    expect(checkGatewayCount(16)).toBe(16);
  });
});

describe('the management network', () => {
  it('is TEST-NET-1 where that is free', () => {
    expect(chooseManagement(['10.0.0.0/8', '192.0.3.0/24'])).toEqual({ net: '192.0.2' });
    expect(gatewayAddress({ net: '192.0.2' }, 16)).toBe('192.0.2.116');
  });

  it('steps aside for the machine’s own networks, however they overlap', () => {
    for (const taken of ['192.0.2.0/24', '192.0.2.2', '192.0.2.128/25', '192.0.0.0/16']) {
      expect(chooseManagement([taken])).toEqual({ net: '198.19.0' });
    }
  });

  it('refuses when nothing is free', () => {
    const taken = managementCandidates.map((net) => `${net}.0/24`);
    expect(() => chooseManagement(taken)).toThrow(/no free management network/);
  });
});

describe('a route over the gateways', () => {
  it('is replaced in one go by the gateways that remain', () => {
    expect(routeArguments('outside', '203.0.113.0/28', [1, 3]).join(' ')).toBe(
      'route replace 203.0.113.0/28 nexthop via 198.19.101.2 nexthop via 198.19.103.2',
    );
  });

  it('goes with the last gateway', () => {
    expect(routeArguments('inside', 'default', [])).toEqual(['route', 'del', 'default']);
  });
});
