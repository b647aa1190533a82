// Two inside networks with the same addresses: a client in each, with the same endpoint, talks to
// one server at the same time, through all gateways and over the death of one.
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab } from './index.ts';
import { ip, ipBatch } from './ip.ts';
import { clientAddresses, clientPrefix, gatewayNamespace, serverAddresses } from './plan.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';
import { waitFor } from './wait.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const gateways = [1, 2];
const domain = 7;
/** The other network is one namespace: a client, and its way over all gateways. */
const other = 'fs-domain7';
const [client] = clientAddresses;
const [server] = serverAddresses;
const config = {
  gateway: { devices: { domains: [{ domain, inside: 'domain7' }] } },
  cluster: {
    pool: ['203.0.113.0/29'],
    domains: [{ domain, insidePrefixes: [clientPrefix] }],
    pools: [{ domain, addresses: ['203.0.113.8/29'] }],
  },
};

const near = (index: number) => `198.18.${140 + index}.1`;
const far = (index: number) => `198.18.${140 + index}.2`;

async function addOtherNetwork(): Promise<void> {
  // What an ended run left.
  await ip(['netns', 'del', other]).catch(() => {});
  const here = (index: number) => ({ end: `gw${index}`, gateway: gatewayNamespace(index) });
  await ipBatch([
    `netns add ${other}`,
    ...gateways.map(here).map(({ end, gateway }) => {
      const peer = `peer name domain7 netns ${gateway}`;
      return `link add name ${end} netns ${other} type veth ${peer}`;
    }),
  ]);
  const hash = '/proc/sys/net/ipv4/fib_multipath_hash_';
  const script = `echo 3 > ${hash}policy; echo 55 > ${hash}fields`;
  await ip(['netns', 'exec', other, 'sh', '-ec', script]);
  for (const index of gateways) {
    const lines = [
      `addr add ${far(index)}/30 dev domain7`,
      'link set domain7 up',
      // The main table has this prefix over the other device already.
      `route add ${clientPrefix} via ${near(index)} dev domain7 metric 7`,
    ];
    await ipBatch(lines, gatewayNamespace(index));
  }
  const hops = gateways.map((index) => `nexthop via ${far(index)}`).join(' ');
  const links = gateways.flatMap((index) => [
    `addr add ${near(index)}/30 dev gw${index}`,
    `link set gw${index} up`,
  ]);
  const own = [`addr add ${client}/32 dev lo`, 'link set lo up'];
  await ipBatch([...own, ...links, `route add default src ${client} ${hops}`], other);
}

/** Sends back what came, with the endpoint that it came from in front. */
const echo = `
require('node:net').createServer((socket) => {
  const from = socket.remoteAddress.replace('::ffff:', '') + ' ' + socket.remotePort;
  socket.on('data', (data) => socket.write(from + ' ' + data));
  socket.on('error', () => {});
}).listen(7000, () => console.log('listening'));
setTimeout(() => process.exit(), 60_000);
`;

/** Forty connections from ports of its own choice; a line each, of what the server said last. */
const talk = `
const [, name] = process.argv;
let open = 40;
for (let i = 0; i < 40; i++) {
  const to = { host: '${server}', port: 7000, localPort: 5000 + i };
  const socket = require('node:net').connect(to);
  let turns = 0;
  let last = '';
  const next = () => { turns += 1; socket.write(name + ' ' + i + ' ' + turns); };
  socket.on('connect', next);
  socket.on('data', (data) => {
    last = String(data);
    if (turns < 40) return setTimeout(next, 150);
    console.log(last);
    socket.end();
  });
  socket.on('error', (error) => console.log('error ' + error.code));
  socket.on('close', () => { open -= 1; if (open === 0) process.exit(); });
}
setTimeout(() => process.exit(1), 40_000);
`;

describe.skipIf(skip)(`two domains${why}`, () => {
  const lab = new Lab();
  const children: ReturnType<typeof spawn>[] = [];

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: gateways.length, config, extend: addOtherNetwork });
    lab.spawn('server1', process.execPath, ['-e', echo]);
    const listens = async () => {
      const { stdout } = await lab.exec('server1', 'ss', ['-Hltn', 'sport', '=', ':7000']);
      return stdout !== '';
    };
    await waitFor('the server to listen', listens, 20_000);
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await lab.down();
    await ip(['netns', 'del', other]).catch(() => {});
  });

  /** What a client of the network prints, and its end. */
  function talkIn(namespace: string, name: string): Promise<string[]> {
    const command = ['netns', 'exec', namespace, process.execPath, '-e', talk, name];
    const child = spawn('ip', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    return new Promise((resolve) => {
      child.on('close', () => resolve(out.trim().split('\n')));
    });
  }

  it('clients with one address keep apart, whoever carries them and whoever dies', async () => {
    const both = Promise.all([talkIn('fs-client1', 'zero'), talkIn(other, 'seven')]);
    const carried = async () => {
      const { stdout } = await lab.exec('server1', 'ss', ['-Htn', 'sport', '=', ':7000']);
      return stdout.trim().split('\n').length === 80;
    };
    await waitFor('all connections to be open', carried, 15_000);
    await ip(['-n', other, 'route', 'replace', 'default', 'src', client, 'via', far(2)]);
    await lab.kill('gw1');
    const [zero, seven] = await both;
    const check = (lines: string[], name: string, from: number) => {
      expect(lines).toHaveLength(40);
      const outside = lines.map((line) => line.split(' '));
      for (const [address, , who, , turns] of outside) {
        const last = Number(address!.split('.')[3]);
        expect([who, turns, Math.floor(last / 8) * 8]).toEqual([name, '40', from]);
      }
      return outside.map(([address, port]) => `${address}:${port}`);
    };
    const endpoints = [...check(zero, 'zero', 0), ...check(seven, 'seven', 8)];
    expect(new Set(endpoints).size).toBe(80);
  });
});
