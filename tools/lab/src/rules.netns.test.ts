// A port forward and a one-to-one address, with real tools from the outside in: gateways die, and
// what has no record anywhere goes on.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, sumOf, waitFor } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const megabytes = 6;
const bytes = megabytes * 2 ** 20;
const config = {
  cluster: {
    portForwards: [{ protocol: 'tcp', outside: '203.0.113.1:8080', inside: '198.18.1.10:8000' }],
    oneToOne: [{ outside: '203.0.113.2', inside: '198.18.1.11' }],
  },
};

/** Serves so many bytes, and says who asked in front of none of them: in a header. */
const web = `
require('node:http').createServer((request, response) => {
  response.setHeader('x-asker', request.socket.remoteAddress);
  response.end(Buffer.alloc(request.url === '/large' ? ${bytes} : 5, 'x'));
}).listen(8000, () => console.log('listening'));
setTimeout(() => process.exit(), 120_000);
`;

describe.skipIf(skip)(`rules from configuration${why}`, () => {
  const lab = new Lab();
  const curl = (node: string, ...args: string[]) =>
    lab.exec(node, 'curl', ['-s', '-S', '-m', '40', ...args], { timeoutMs: 45_000 });
  const count = async (gateway: string, name: string) => sumOf(await lab.metrics(gateway), name);

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 2, config });
    lab.spawn('client1', process.execPath, ['-e', web]);
    const answers = async () => {
      const { code } = await lab.exec('client2', 'curl', ['-s', 'http://198.18.1.10:8000/']);
      return code === 0;
    };
    await waitFor('the web server to listen', answers, 20_000);
  });
  afterAll(async () => {
    await lab.down();
  });

  it('a download through a port forward outlives both gateways, one after the other', async () => {
    const args = ['--limit-rate', `${megabytes / 6}M`, '-o', '/dev/null', '-w', '%{size_download}'];
    const download = curl('server1', ...args, 'http://203.0.113.1:8080/large');
    const carried = async () => {
      const each = await Promise.all(['gw1', 'gw2'].map((name) => count(name, byRule)));
      return each.reduce((sum, packets) => sum + packets, 0) > 10;
    };
    const byRule = 'flowstore_packets_by_rule_total';
    await waitFor('the download to run', carried, 10_000);
    await lab.kill('gw1');
    const before = await count('gw2', byRule);
    const goesOn = async () => (await count('gw2', byRule)) > before + 10;
    await waitFor('the download to go on', goesOn, 10_000);
    await lab.start('gw1');
    await lab.kill('gw2');
    const { code, stdout, stderr } = await download;
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toBe(`${bytes}`);
    await lab.start('gw2');
  });

  it('a one-to-one address is pinged from outside, and seen outside, whoever dies', async () => {
    const ping = lab.exec('server1', 'ping', ['-i', '0.1', '-c', '60', '203.0.113.2'], {
      timeoutMs: 20_000,
    });
    await lab.kill('gw1');
    const { code, stdout } = await ping;
    expect(code).toBe(0);
    const lost = Number(/([\d.]+)% packet loss/.exec(stdout)![1]);
    // The routers drop a dead gateway within 100 ms, that is one or two pings.
    expect(lost).toBeLessThan(10);
    await lab.start('gw1');
    const out = await lab.exec('client2', 'ping', ['-i', '0.1', '-c', '10', '198.51.100.10']);
    expect(out.stdout).toContain('10 received');
    for (const gateway of ['gw1', 'gw2']) {
      expect(await count(gateway, 'flowstore_flows_opened_total')).toBe(0);
    }
  });

  it('a client reaches the forward as well, and shows its outside address', async () => {
    const { code, stdout } = await curl('client2', '-D', '-', 'http://203.0.113.1:8080/');
    expect(code).toBe(0);
    expect(stdout).toMatch(/x-asker: .*203\.0\.113\.2\b/);
    expect(stdout).toContain('xxxxx');
  });
});
