// What stays behind, on real parts: nothing in the store once flows have idled out, no port held by
// a gateway that stopped, no wrong checksum on the wire. Timeouts are short here so that their end
// can be waited for.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, type LabConfig, sumOf, type Traffic, waitFor } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;

const shortLives: LabConfig = {
  cluster: {
    timeouts: { tcpEstablishedMs: 3_000, tcpTransitoryMs: 2_000, udpMs: 2_000, icmpMs: 1_000 },
    slack: { outageMs: 500, clockSkewMs: 100 },
    cacheLeaseMs: 1_800,
    leaseMs: 2_400,
    quarantineMs: 2_500,
    heartbeatMs: 300,
    ttlMarginMs: 60_000,
  },
};

describe.skipIf(skip)(`with short timeouts${why}`, () => {
  const lab = new Lab();
  let server: Traffic;

  /** The store's keys of flows, ports (p) and deadlines (i). */
  async function keysOf(pattern: '{??}*' | 'p:*' | 'i:*'): Promise<number> {
    return Number(await ask(`return #redis.call('KEYS', '${pattern}')`));
  }

  /** Runs a script in the store. Key names are binary, so they had better stay there. */
  async function ask(script: string): Promise<string> {
    const { store } = await lab.status();
    const run = await lab.exec('gw2', 'redis-cli', ['-u', `${store.url}`, 'EVAL', script, '0']);
    return run.stdout.trim();
  }

  /** What a host's kernel counted, by protocol. */
  async function wrongChecksums(node: string): Promise<Record<string, number>> {
    const { stdout } = await lab.exec(node, 'cat', ['/proc/net/snmp']);
    const lines = stdout.split('\n').map((line) => line.split(' '));
    const counted = ['Icmp', 'Tcp', 'Udp'].map((name) => {
      const [heads, values] = lines.filter(([first]) => first === `${name}:`);
      return [name, Number(values?.[heads?.indexOf('InCsumErrors') ?? -1])];
    });
    return Object.fromEntries(counted);
  }

  async function someTraffic(): Promise<void> {
    const bounded = ['--seconds', '2'];
    const loads = [
      lab.traffic('client1', 'trickle', [...bounded, '--connections', '50']),
      lab.traffic('client2', 'udp-echo', [...bounded, '--flows', '20']),
      lab.traffic('client2', 'ping', bounded),
    ];
    for (const load of loads) expect(await load.summary(20_000)).toMatchObject({ ok: true });
  }

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 2, config: shortLives });
    server = lab.traffic('server1', 'server');
    await server.waitFor('listening', 10_000);
  });
  afterAll(async () => {
    await lab.down();
  });

  it('after the clients stopped the store holds no flow, no row, no index member', async () => {
    await someTraffic();
    expect(await keysOf('{??}*')).toBeGreaterThan(0);
    const empty = async () => {
      const entries = await keysOf('{??}*');
      return entries + (await keysOf('p:*')) + (await keysOf('i:*')) === 0;
    };
    // All of the timeouts above together are some 15 s.
    await waitFor('the store to be empty', empty, 50_000, { everyMs: 250 });
    for (const gateway of ['gw1', 'gw2']) {
      const metrics = await lab.metrics(gateway);
      expect(sumOf(metrics, 'flowstore_flows')).toBe(0);
      expect(sumOf(metrics, 'flowstore_port_blocks')).toBe(0);
    }
  });

  it('checksums are right, whether the senders compute them or their devices do', async () => {
    for (const offload of ['off', 'on'] as const) {
      for (const node of ['client1', 'client2', 'server1', 'lan', 'wan', 'gw1', 'gw2']) {
        await lab.offload(node, offload);
      }
      await someTraffic();
      const args = ['--bytes', '5000000', '--seconds', '1'];
      const download = lab.traffic('client1', 'download', args);
      expect(await download.summary(20_000)).toMatchObject({ ok: true });
    }
    for (const node of ['client1', 'client2', 'server1']) {
      expect(await wrongChecksums(node)).toEqual({ Icmp: 0, Tcp: 0, Udp: 0 });
    }
  });

  it('a gateway that is told to stop reports, gives its ports back and leaves', async () => {
    await someTraffic();
    const { gateways } = await lab.status();
    const { pid } = gateways.find(({ name }) => name === 'gw1')!;
    const [, incarnation] = /"incarnation":"([0-9a-f]{16})"/.exec(lab.logs('gw1'))!;
    const leases =
      "local n = 0 for _, k in ipairs(redis.call('KEYS', 'p:*')) do " +
      "local lease = redis.call('HGET', k, 'L') or '' local hex = lease:sub(1, 8):gsub('.', " +
      "function(c) return string.format('%02x', c:byte()) end) " +
      `if hex == '${incarnation}' then n = n + 1 end end return n`;
    expect(Number(await ask(leases))).toBeGreaterThan(0);
    await lab.route('gw1', 'off');
    process.kill(pid!, 'SIGTERM');
    const ended = () => lab.logs('gw1').includes('"msg":"stopped"');
    await waitFor('gw1 to stop', ended, 15_000);
    expect(Number(await ask(leases))).toBe(0);
    const members = await ask("return redis.call('HKEYS', 'm:{flowstore}')");
    expect(members.split('\n')).toEqual(['gw2']);
  });
});
