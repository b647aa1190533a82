// Programs that people judge a NAT by, unchanged, through three gateways that share every flow:
// what they say about the way is the truth, and what they transfer is whole.
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const server = '198.51.100.10';
const fileBytes = 20_000_000;
const nodes = ['client1', 'lan', 'gw1', 'gw2', 'gw3', 'wan', 'server1'];
/** LAN router, a gateway, WAN router, server. */
const hops = [
  /^198\.18\.1\.1$/,
  /^198\.18\.10[123]\.2$/,
  /^198\.19\.10[123]\.1$/,
  /^198\.51\.100\.10$/,
];

const web = `
const body = Buffer.alloc(${fileBytes}, 'all of it');
require('node:http').createServer((request, reply) => {
  if (request.url === '/little') return reply.end(body.subarray(0, 200_000));
  if (request.method === 'GET') return reply.end(body);
  let bytes = 0;
  request.on('data', (data) => { bytes += data.length; });
  request.on('end', () => reply.end(String(bytes)));
}).listen(80, () => console.log('listening'));
`;
/** Answers media by media and control by control, each from its own port. */
const callee = `
const { createSocket } = require('node:dgram');
let bound = 0;
for (const port of [40_000, 40_001]) {
  const socket = createSocket('udp4');
  socket.on('message', (data, from) => socket.send(port + ' ' + data, from.port, from.address));
  socket.bind(port, () => { if (++bound === 2) console.log('listening'); });
}
`;
/** Ten calls of a pair of ports each, 25 packets a second; prints what did not come back. */
const callers = `
const { createSocket } = require('node:dgram');
const packets = 50;
let missing = 0, open = 0;
for (let call = 0; call < 10; call++) {
  for (const kind of [0, 1]) {
    const socket = createSocket('udp4');
    const to = 40_000 + kind;
    const heard = new Set();
    open++;
    socket.on('message', (data) => heard.add(String(data)));
    socket.bind(20_000 + 2 * call + kind, () => {
      let sent = 0;
      const timer = setInterval(() => {
        if (sent < packets) return socket.send('packet ' + sent++, to, '${server}');
        if (++sent < packets + 25) return;
        clearInterval(timer);
        for (let i = 0; i < packets; i++) if (!heard.has(to + ' packet ' + i)) missing++;
        socket.close();
        if (--open === 0) console.log(missing);
      }, 40);
    });
  }
}
`;

describe.skipIf(skip)(`programs that judge${why}`, () => {
  const lab = new Lab();
  const servers: ChildProcess[] = [];

  /** Starts a program that says a word once it listens. */
  async function serve(node: string, command: string, args: string[], word: RegExp) {
    const child = lab.spawn(node, command, args, { stdio: 'pipe' });
    servers.push(child);
    await new Promise<void>((resolve, reject) => {
      let said = '';
      const hear = (text: Buffer) => {
        said += text;
        if (word.test(said)) resolve();
      };
      child.stdout!.on('data', hear);
      child.stderr!.on('data', hear);
      child.on('close', () => reject(new Error(`${command} ended: ${said}`)));
    });
    return child;
  }
  const node = (where: string, script: string) =>
    serve(where, process.execPath, ['-e', script], /listening/);
  const run = async (command: string, ...args: string[]) => {
    const { stdout, stderr } = await lab.exec('client1', command, args, { timeoutMs: 40_000 });
    return stdout + stderr;
  };

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 3, config: { gateway: { sessionLog: { record: 'bindings' } } } });
    await node('server1', web);
  });
  afterAll(async () => {
    for (const child of servers) child.kill('SIGKILL');
    await lab.down();
  });

  it('curl: what is fetched and what is sent is whole', async () => {
    const url = `http://${server}/`;
    const got = await run('curl', '-sS', '-o', '/dev/null', '-w', '%{size_download}', url);
    expect(got).toBe(String(fileBytes));
    const put = ['-sS', '-T', process.execPath, url];
    expect(Number(await run('curl', ...put))).toBeGreaterThan(50_000_000);
  });

  it.each([
    ['traceroute by UDP', 'traceroute', ['-n', '-q', '1', '-w', '3', server]],
    ['traceroute by ICMP', 'traceroute', ['-I', '-n', '-q', '1', '-w', '3', server]],
    ['mtr', 'mtr', ['-n', '-r', '-c', '2', server]],
  ])('%s shows every hop, the gateway among them', async (_, command, args) => {
    const text = await run(command, ...args);
    const seen = [...text.matchAll(/^\s*\d+\.?\S*\s+(\d+\.\d+\.\d+\.\d+)/gm)].map(
      ([, hop]) => hop!,
    );
    expect(seen, text).toHaveLength(hops.length);
    for (const [i, hop] of hops.entries()) expect(seen[i], text).toMatch(hop);
  });

  it('tracepath finds the smallest MTU of the way', async () => {
    await lab.exec('wan', 'ip', ['link', 'set', 'servers', 'mtu', '1280']);
    const text = await run('tracepath', '-n', server);
    await lab.exec('wan', 'ip', ['link', 'set', 'servers', 'mtu', '1500']);
    expect(text).toContain('pmtu 1280');
    expect(text).toMatch(/198\.51\.100\.10 .*reached/);
  });

  it('dig: answers of a real server by UDP, in fragments, and by TCP', async () => {
    const large = Array.from({ length: 12 }, (_, i) => `large.test,${'x'.repeat(240)}${i}`);
    const records = [
      '--address=/one.test/192.0.2.7',
      ...large.map((text) => `--txt-record=${text}`),
    ];
    const quiet = ['--no-daemon', '--user=root', '--no-resolv', '--no-hosts', '--log-queries'];
    const bind = [`--listen-address=${server}`, '--bind-interfaces', '--edns-packet-max=4096'];
    await serve(
      'server1',
      'dnsmasq',
      [...quiet, ...bind, '--conf-file=/dev/null', ...records],
      /started/,
    );
    for (let i = 0; i < 10; i++) {
      expect(await run('dig', `@${server}`, '+short', 'one.test')).toBe('192.0.2.7\n');
    }
    const byUdp = await run('dig', `@${server}`, '+bufsize=4096', '+ignore', 'large.test', 'TXT');
    expect(byUdp).toContain('ANSWER: 12');
    expect(byUdp).toMatch(/SERVER: .*\(UDP\)/);
    const byTcp = await run('dig', `@${server}`, '+bufsize=512', 'large.test', 'TXT');
    expect(byTcp).toContain('ANSWER: 12');
    expect(byTcp).toMatch(/SERVER: .*\(TCP\)/);
  });

  it('calls: media and control of pairs of ports come back by the port they went to', async () => {
    await node('server1', callee);
    expect(await run(process.execPath, '-e', callers)).toBe('0\n');
  });

  it('6888-12: the session log in the store tells who had which outside endpoint', async () => {
    const { store } = await lab.status();
    const script =
      "local all = {} for _, k in ipairs(redis.call('KEYS', 'l:*')) do " +
      "for _, e in ipairs(redis.call('XRANGE', k, '-', '+')) do all[#all + 1] = e[2][2] end end " +
      'return all';
    const args = ['-u', `${store.url}`, '--raw', 'EVAL', script, '0'];
    const { stdout } = await lab.exec('gw1', 'redis-cli', args);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const begun = lines.filter(({ event, how }) => event === 'begin' && how === 'opened');
    // By curl, dig, traceroute and the calls.
    expect(new Set(begun.map(({ protocol }) => protocol))).toEqual(new Set(['tcp', 'udp', 'icmp']));
    for (const { inside, outside } of begun) {
      expect(inside).toMatch(/^198\.18\.1\.1[01]:\d+$/);
      expect(outside).toMatch(/^203\.0\.113\.\d+:\d+$/);
    }
    expect(stdout).not.toContain('198.51.100');
  });

  it('tcpdump: no checksum is wrong on either side, with all offloads off', async () => {
    for (const name of nodes) await lab.offload(name, 'off');
    const captures = await Promise.all(
      ['client1', 'server1'].map(async (where) => {
        const args = ['-i', 'any', '-n', '-vv', '-s', '0', '-l', '-c', '4000', 'ip'];
        const child = await serve(where, 'tcpdump', args, /listening on/);
        let text = '';
        child.stdout!.on('data', (data) => (text += data));
        return { child, text: () => text };
      }),
    );
    await run('curl', '-sS', '-o', '/dev/null', `http://${server}/little`);
    await run('ping', '-n', '-c', '3', '-i', '0.2', '-s', '4000', server);
    await run('dig', `@${server}`, '+short', 'one.test');
    await run('traceroute', '-n', '-q', '1', '-w', '3', server);
    for (const { child, text } of captures) {
      expect(child.exitCode, 'it captured all that it may').toBeNull();
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGINT');
      await ended;
      expect(text().match(/\(correct\)|cksum \w+ ok|udp sum ok/g)?.length).toBeGreaterThan(20);
      expect(text()).not.toMatch(/incorrect|bad cksum|bad udp|wrong/);
    }
  });
});
