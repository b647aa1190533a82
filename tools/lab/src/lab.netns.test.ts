// The network itself, without gateway programs: names, addresses, routes, and that nothing stays.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, type LabStatus } from './index.ts';
import { ip } from './ip.ts';
import { presentLinks, presentNamespaces } from './network.ts';
import { findOnPath, stateFolder } from './paths.ts';
import { processState } from './processes.ts';
import { readState, recordedProcesses } from './state.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason();

async function addresses(namespace: string): Promise<string[]> {
  const links = JSON.parse(await ip(['-n', namespace, '-json', '-4', 'addr', 'show'])) as {
    ifname: string;
    addr_info: { local: string; prefixlen: number }[];
  }[];
  return links
    .filter((link) => link.ifname !== 'lo')
    .flatMap((link) =>
      link.addr_info.map((each) => `${link.ifname} ${each.local}/${each.prefixlen}`),
    )
    .sort();
}

describe.skipIf(skip)(`the lab's network${skip ? ` (${skip})` : ''}`, () => {
  const lines: string[] = [];
  const lab = new Lab({ log: (line) => lines.push(line) });
  let hostBefore = '';
  const host = async () => (await ip(['addr', 'show', 'scope', 'global'])) + (await ip(['route']));
  let buildMs = 0;

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    hostBefore = await host();
    const start = performance.now();
    await lab.up({ gateways: 3, apps: 'none' });
    buildMs = performance.now() - start;
  });
  afterAll(async () => {
    await lab.down();
  });

  // 0.3 s on an idle machine with 2 cores; the rest is for a busy one.
  it('stands within seconds, store included', () => expect(buildMs).toBeLessThan(4_000));

  it('has the namespaces of the contract', () => {
    expect(presentNamespaces().sort()).toEqual([
      'fs-client1',
      'fs-client2',
      'fs-gw1',
      'fs-gw2',
      'fs-gw3',
      'fs-lan',
      'fs-server1',
      'fs-server2',
      'fs-wan',
    ]);
  });

  it('has the addresses of the contract', async () => {
    expect(await addresses('fs-client1')).toEqual(['eth0 198.18.1.10/24']);
    expect(await addresses('fs-client2')).toEqual(['eth0 198.18.1.11/24']);
    expect(await addresses('fs-server1')).toEqual(['eth0 198.51.100.10/24']);
    expect(await addresses('fs-server2')).toEqual(['eth0 198.51.100.20/24']);
    const net = readState()?.management.net;
    expect(await addresses('fs-gw3')).toEqual([
      'inside 198.18.103.2/30',
      `mgmt ${net}.103/24`,
      'outside 198.19.103.2/30',
    ]);
    expect(await addresses('fs-lan')).toEqual([
      'clients 198.18.1.1/24',
      'gw1 198.18.101.1/30',
      'gw2 198.18.102.1/30',
      'gw3 198.18.103.1/30',
    ]);
    expect(await addresses('fs-wan')).toEqual([
      'gw1 198.19.101.1/30',
      'gw2 198.19.102.1/30',
      'gw3 198.19.103.1/30',
      'servers 198.51.100.1/24',
    ]);
  });

  it('routes over all gateways by the true 5-tuple', async () => {
    for (const router of ['fs-lan', 'fs-wan'] as const) {
      const { stdout } = await lab.exec(router, 'sh', [
        '-c',
        'cd /proc/sys/net/ipv4; cat ip_forward fib_multipath_hash_policy fib_multipath_hash_fields',
      ]);
      expect(stdout.split('\n').slice(0, 3).map(Number)).toEqual([1, 3, 0x37]);
    }
    expect(await hops('fs-lan')).toEqual(['198.18.101.2', '198.18.102.2', '198.18.103.2']);
    expect(await hops('fs-wan')).toEqual(['198.19.101.2', '198.19.102.2', '198.19.103.2']);
  });

  it('spreads flows over all gateways, each over the one that is foretold', async () => {
    const ports = Array.from({ length: 12 }, (_, at) => 40_000 + at);
    const foretold = await Promise.all(ports.map((port) => lab.carrier(flow(port))));
    expect(new Set(foretold).size).toBeGreaterThan(1);
    const before = await sentBy('fs-lan');
    await sendDatagrams('client1', ports, 50);
    const after = await sentBy('fs-lan');
    for (const name of ['gw1', 'gw2', 'gw3']) {
      const flows = foretold.filter((each) => each === name).length;
      // ARP and the like come on top: fewer than one flow's datagrams.
      const sent = (after[name] as number) - (before[name] as number);
      expect(Math.floor(sent / 50), name).toBe(flows);
    }
  });

  it('has gateways that forward and translate nothing by themselves', async () => {
    const { stdout } = await lab.exec('gw2', 'sh', [
      '-c',
      'cd /proc/sys/net/ipv4; cat ip_forward conf/all/rp_filter conf/inside/rp_filter',
    ]);
    expect(stdout).toBe('0\n0\n0\n');
    const routes = await ip(['-n', 'fs-gw2', 'route']);
    expect(routes).toContain('default via 198.19.102.1 dev outside');
    expect(routes).toContain('198.18.1.0/24 via 198.18.102.1 dev inside');
  });

  it('has a wan that knows no way to the clients', async () => {
    await expect(ip(['-n', 'fs-wan', 'route', 'get', '198.18.1.10'])).rejects.toThrow(
      /unreachable/,
    );
  });

  it('has no IPv6 in it', async () => {
    for (const namespace of presentNamespaces()) {
      expect(await ip(['-n', namespace, '-6', 'addr', 'show', 'scope', 'link'])).toBe('');
    }
  });

  it('lets clients reach their router', async () => {
    for (const client of ['client1', 'client2']) {
      const ping = await lab.exec(client, 'ping', ['-c', '1', '-W', '2', '198.18.1.1']);
      expect(ping.code, ping.stderr).toBe(0);
    }
  });

  it('takes a gateway out of both routers and puts it back', async () => {
    await lab.route('gw2', 'off');
    expect(await hops('fs-lan')).toEqual(['198.18.101.2', '198.18.103.2']);
    expect(await hops('fs-wan')).toEqual(['198.19.101.2', '198.19.103.2']);
    await lab.route('gw2', 'off');
    await lab.route('gw2', 'on');
    expect(await hops('fs-wan')).toEqual(['198.19.101.2', '198.19.102.2', '198.19.103.2']);
  });

  it('has no route at all with no gateway left', async () => {
    for (const name of ['gw1', 'gw2', 'gw3']) await lab.route(name, 'off');
    expect(await hops('fs-lan')).toEqual([]);
    expect(await hops('fs-wan')).toEqual([]);
    for (const name of ['gw1', 'gw2', 'gw3']) await lab.route(name, 'on');
    expect(await hops('fs-lan')).toHaveLength(3);
  });

  it('says so when it is up already, and refuses another size', async () => {
    expect(await lab.up({ gateways: 3, apps: 'none' })).toEqual({ alreadyUp: true });
    await expect(lab.up({ gateways: 2, apps: 'none' })).rejects.toMatchObject({
      code: 'LAB_CONFLICT',
    });
    expect(presentNamespaces()).toHaveLength(9);
  });

  it('has gateway commands refuse what it has not', async () => {
    await expect(lab.kill('gw1')).rejects.toMatchObject({ code: 'LAB_CONFLICT' });
    await expect(lab.route('gw4', 'off')).rejects.toMatchObject({ code: 'LAB_USAGE' });
    expect(() => lab.spawn('client3', 'true')).toThrow(/no node client3/);
  });

  it.skipIf(!findOnPath('ethtool'))('turns offloads of a node off and on', async () => {
    const shown = async () => (await lab.exec('gw1', 'ethtool', ['-k', 'inside'])).stdout;
    await lab.offload('gw1', 'off');
    expect(await shown()).toMatch(/^tx-checksumming: off$/m);
    expect(await shown()).toMatch(/^tcp-segmentation-offload: off/m);
    await lab.offload('gw1', 'on');
    expect(await shown()).toMatch(/^tx-checksumming: on$/m);
  });

  it('passes exit codes and output of commands through', async () => {
    const result = await lab.exec('server1', 'sh', ['-c', 'cat; exit 7'], { input: 'hello' });
    expect(result).toEqual({ code: 7, stdout: 'hello', stderr: '' });
  });

  it('stops, starts, pauses and resumes the store', async () => {
    const before = (await lab.status()).store;
    expect(before.state).toBe('up');
    expect(await lab.store('pause')).toBe('paused');
    await expect(lab.store('start')).rejects.toMatchObject({ code: 'LAB_CONFLICT' });
    expect(await lab.store('resume')).toBe('up');
    expect((await lab.status()).store.pid).toBe(before.pid);
    expect(await lab.store('stop')).toBe('down');
    expect(await lab.store('stop')).toBe('down');
    expect(await lab.store('start')).toBe('up');
    const after = (await lab.status()).store;
    expect(after.url).toBe(before.url);
    expect(after.pid).not.toBe(before.pid);
  });

  it('gives the gateways their store, over the management link', async () => {
    const { url } = (await lab.status()).store;
    const { hostname, port } = new URL(url as string);
    const script = `
      const s = require('net').connect(${port}, '${hostname}', () => s.write('PING\\r\\n'));
      s.on('data', (d) => { process.stdout.write(d); s.end(); });`;
    const { stdout } = await lab.exec('gw3', 'node', ['-e', script], { timeoutMs: 10_000 });
    expect(stdout).toBe('+PONG\r\n');
  });

  it('leaves nothing behind, not even a program that still ran in it', async () => {
    const stray = lab.spawn('client1', 'sleep', ['300'], { stdio: 'ignore' });
    const strayEnd = new Promise((resolve) => stray.on('close', resolve));
    const state = readState();
    expect(await lab.down()).toEqual({ wasUp: true });
    await strayEnd;
    expect(presentNamespaces()).toEqual([]);
    expect(presentLinks()).toEqual([]);
    expect(existsSync(stateFolder)).toBe(false);
    expect(readdirSync('/run').filter((name) => name.includes('flowstore'))).toEqual([]);
    for (const id of recordedProcesses(state as NonNullable<typeof state>)) {
      expect(processState(id)).toBe('gone');
    }
    expect(await host()).toBe(hostBefore);
    expect(await lab.down()).toEqual({ wasUp: false });
    const empty: LabStatus = await lab.status();
    expect(empty).toMatchObject({ state: 'down', gateways: [], reapers: [] });
  });

  it('cleans up what a crashed lab left before it comes up', async () => {
    // As a lab that died while it was building: a namespace, one that a reboot made a plain file
    // of, a bridge, no state.
    await ip(['netns', 'add', 'fs-gw7']);
    writeFileSync('/run/netns/fs-gw8', '');
    await ip(['link', 'add', 'name', 'fs-mgmt', 'type', 'bridge']);
    await lab.up({ gateways: 1, apps: 'none', store: false });
    expect(lines).toContain('cleaning up what an earlier lab left');
    expect(presentNamespaces()).not.toContain('fs-gw7');
    expect(presentNamespaces()).not.toContain('fs-gw8');
    expect(await hops('fs-lan')).toEqual(['198.18.101.2']);
    await lab.down();
  });

  const flow = (sourcePort: number) => ({
    protocol: 'udp' as const,
    source: '198.18.1.10',
    sourcePort,
    destination: '198.51.100.10',
    destinationPort: 9,
  });

  async function sendDatagrams(node: string, ports: number[], each: number): Promise<void> {
    const script = `for (const port of ${JSON.stringify(ports)}) {
      const socket = require('dgram').createSocket('udp4');
      let left = ${each};
      const send = () => left-- > 0 ? socket.send('x', 9, '198.51.100.10', send) : socket.close();
      socket.bind(port, send);
    }`;
    const { code, stderr } = await lab.exec(node, 'node', ['-e', script], { timeoutMs: 10_000 });
    expect(code, stderr).toBe(0);
  }

  async function sentBy(router: string): Promise<Record<string, number>> {
    const links = JSON.parse(await ip(['-n', router, '-json', '-s', 'link', 'show'])) as {
      ifname: string;
      stats64: { tx: { packets: number } };
    }[];
    return Object.fromEntries(links.map((link) => [link.ifname, link.stats64.tx.packets]));
  }

  async function hops(router: 'fs-lan' | 'fs-wan'): Promise<string[]> {
    const prefix = router === 'fs-lan' ? 'default' : '203.0.113.0/28';
    const text = await lab.routerRoute(router, prefix);
    return [...text.matchAll(/via (\S+)/g)].map((match) => match[1] as string);
  }
});
