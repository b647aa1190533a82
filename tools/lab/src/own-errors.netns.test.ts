// What the gateways themselves say by ICMP, heard by real kernels: they are a hop of the way, and
// tell of a small MTU on the link behind them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const server = '198.51.100.10';

describe.skipIf(skip)(`the gateways' own ICMP${why}`, () => {
  const lab = new Lab();
  const ping = async (...args: string[]) => {
    const { stdout } = await lab.exec('client1', 'ping', ['-n', '-c', '1', '-W', '3', ...args]);
    return stdout;
  };

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 2 });
  });
  afterAll(async () => {
    await lab.down();
  });

  it('a trace from inside shows every hop of the way', async () => {
    await ping(server);
    const hops: string[] = [];
    for (let ttl = 1; ttl <= 4; ttl++) {
      const text = await ping('-t', String(ttl), server);
      hops.push(/From (\S+) icmp_seq=1 Time to live exceeded/.exec(text)?.[1] ?? text);
    }
    expect(hops[0]).toBe('198.18.1.1');
    expect(hops[1]).toMatch(/^198\.18\.10[12]\.\d$/);
    expect(hops[2]).toMatch(/^198\.19\.10[12]\.\d$/);
    expect(hops[3]).toContain('1 received');
  });

  it('4787-13: a packet with DF that is too big is told the MTU of the link behind', async () => {
    for (const name of ['gw1', 'gw2']) {
      const { stdout } = await lab.exec(name, 'ip', ['-o', 'route', 'show', 'default']);
      const device = /dev (\S+)/.exec(stdout)![1]!;
      const { code } = await lab.exec(name, 'ip', ['link', 'set', device, 'mtu', '1280']);
      expect(code).toBe(0);
    }
    expect(await ping('-M', 'do', '-s', '1300', server)).toContain('mtu = 1280');
    expect(await ping('-M', 'do', '-s', '1200', server)).toContain('1 received');
  });
});
