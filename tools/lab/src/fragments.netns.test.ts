// Datagrams in fragments between real kernels. Routers hash ports, which the first fragment alone
// has, so the others really come to other gateways: each has to learn how the first one went.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, sumOf } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const server = '198.51.100.10';
const sockets = 24;

const echo = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (data, { address, port }) => socket.send(data, port, address));
socket.bind(7, () => console.log('listening'));
setTimeout(() => process.exit(), 40_000);
`;
/** From as many sockets, until each heard its own datagram; prints how often one was lost. */
const ask = `
const { createSocket } = require('node:dgram');
let left = ${sockets}, again = 0;
for (let i = 0; i < ${sockets}; i++) {
  const data = Buffer.alloc(8_000, 'n' + i + ' ');
  const socket = createSocket('udp4');
  const send = () => socket.send(data, 7, '${server}');
  // One by one: what the receiver's socket has no room for is not to be put down to the way.
  let timer;
  const begin = () => {
    send();
    timer = setInterval(() => { again++; send(); }, 3_000);
  };
  socket.on('message', (answer) => {
    if (!answer.equals(data)) process.exit(2);
    clearInterval(timer);
    socket.close();
    if (--left === 0) { console.log(again); process.exit(); }
  });
  setTimeout(begin, 50 * i);
}
setTimeout(() => process.exit(1), 35_000);
`;

describe.skipIf(skip)(`fragments${why}`, () => {
  const lab = new Lab();
  const sumOver = async (metric: string) => {
    const metrics = await Promise.all(['gw1', 'gw2'].map((name) => lab.metrics(name)));
    return metrics.reduce((sum, one) => sum + sumOf(one, `flowstore_${metric}`), 0);
  };

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 2 });
  });
  afterAll(async () => {
    await lab.down();
  });

  it('4787-14: of a ping of 4,000 bytes arrive, and those of its answer', async () => {
    const args = ['-n', '-s', '4000', '-c', '10', '-i', '0.2', '-W', '3', server];
    const { stdout } = await lab.exec('client1', 'ping', args);
    expect(stdout).toContain('10 received');
    expect(await sumOver('fragments_out_total')).toBeGreaterThanOrEqual(20);
    expect(await sumOver('fragments_in_total')).toBeGreaterThanOrEqual(20);
  });

  it('4787-14: of large datagrams arrive though two gateways carry them', async () => {
    const listening = lab.spawn('server1', process.execPath, ['-e', echo], { stdio: 'pipe' });
    await new Promise((resolve) => listening.stdout!.once('data', resolve));
    const { code, stdout } = await lab.exec('client1', process.execPath, ['-e', ask]);
    listening.kill('SIGKILL');
    expect(code).toBe(0);
    // None has to be sent again, but on a machine that is too busy to answer within 3 s.
    expect(Number(stdout)).toBeLessThan(sockets / 8);
    // Some came to the gateway that had not seen the first of them.
    expect(await sumOver('datagrams_asked_total')).toBeGreaterThan(0);
  });
});
