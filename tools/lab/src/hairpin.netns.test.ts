// One client reaches another by the pool's address, with real kernels at both ends and ECMP over
// three gateways: neither direction cares which gateway it comes to, nor who made the bindings.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, sumOf } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const mirror = '198.51.100.10';
const packetsEach = 50;

/** Says what outside endpoint a datagram came from. */
const stun = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (data, { address, port }) => {
  socket.send(address + ':' + port, port, address);
});
socket.bind(3478, () => console.error('listening'));
setTimeout(() => process.exit(), 40_000);
`;

/** Learns its outside endpoint, and echoes with it whatever comes: source, then data. */
const callee = `
const socket = require('node:dgram').createSocket('udp4');
const ask = setInterval(() => socket.send('?', 3478, '${mirror}'), 200);
socket.on('message', (data, { address, port }) => {
  if (address !== '${mirror}') socket.send(address + ':' + port + ' ' + data, port, address);
  else { clearInterval(ask); require('node:fs').writeFileSync(process.argv[1], String(data)); }
});
socket.bind(7000);
setTimeout(() => process.exit(), 40_000);
`;

/** From many sockets, so that ECMP spreads them; prints what was answered. */
const caller = `
const [, file] = process.argv;
const { existsSync, readFileSync } = require('node:fs');
const answers = new Set();
const begin = () => {
  if (!existsSync(file) || readFileSync(file).length === 0) return setTimeout(begin, 100);
  const [to, port] = readFileSync(file, 'utf8').split(':');
  for (let i = 0; i < ${packetsEach}; i++) {
    const socket = require('node:dgram').createSocket('udp4');
    const ask = setInterval(() => socket.send('n' + i, Number(port), to), 300);
    socket.on('message', (data, { address, port: from }) => {
      clearInterval(ask);
      answers.add(address + ':' + from + ' ' + data);
      socket.close();
      if (answers.size < ${packetsEach}) return;
      console.log([...answers].join('\\n'));
      process.exit();
    });
  }
};
begin();
setTimeout(() => process.exit(1), 35_000);
`;

describe.skipIf(skip)(`hairpinning${why}`, () => {
  const lab = new Lab();
  const run = (node: string, script: string, ...args: string[]) =>
    lab.exec(node, process.execPath, ['-e', script, ...args], { timeoutMs: 45_000 });

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 3 });
  });
  afterAll(async () => {
    await lab.down();
  });

  it('4787-9 4787-9a: a client calls another by its outside endpoint', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flowstore-hairpin-'));
    const file = join(folder, 'endpoint');
    try {
      void run('server1', stun);
      void run('client2', callee, file);
      const { code, stdout } = await run('client1', caller, file);
      expect(code).toBe(0);
      const endpoint = readFileSync(file, 'utf8');
      const answers = stdout.trim().split('\n');
      expect(answers).toHaveLength(packetsEach);
      // By the callee's outside endpoint, and it saw the caller's.
      for (const answer of answers) {
        expect(answer.split(' ')[0]).toBe(endpoint);
        expect(answer.split(' ')[1]).toMatch(/^203\.0\.113\.\d+:\d+$/);
      }
      const metrics = await Promise.all(['gw1', 'gw2', 'gw3'].map((name) => lab.metrics(name)));
      const turned = metrics.map((one) => sumOf(one, 'flowstore_packets_hairpinned_total'));
      expect(turned.filter((count) => count > 0).length).toBeGreaterThan(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
