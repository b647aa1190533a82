// ICMP errors of real kernels, whichever gateway ECMP brings them to: a refused datagram is told to
// its sender, and a path of a smaller MTU is found out by a sender behind the gateways.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, sumOf, waitFor } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const serverAddress = '198.51.100.10';
const uploadBytes = 1_000_000;

/** Sends datagrams to a closed port until the kernel says that it is closed. */
const refusedDatagram = `
const socket = require('node:dgram').createSocket('udp4');
let sent = 0;
socket.on('error', ({ code }) => { console.log(code); process.exit(); });
socket.connect(9, '${serverAddress}', () => setInterval(() => {
  if (++sent > 50) process.exit(1);
  socket.send('x');
}, 100));
`;
const sink = `
require('node:net').createServer((socket) => {
  let bytes = 0;
  socket.on('data', (data) => { bytes += data.length; });
  socket.on('end', () => { console.log(bytes); process.exit(); });
}).listen(5201, () => console.error('listening'));
setTimeout(() => process.exit(1), 40_000);
`;
const upload = `
const { connect } = require('node:net');
let left = 100;
const retry = () => {
  const socket = connect(5201, '${serverAddress}', () => socket.end(Buffer.alloc(${uploadBytes})));
  socket.on('error', () => (--left > 0 ? setTimeout(retry, 100) : process.exit(1)));
};
retry();
`;

describe.skipIf(skip)(`ICMP errors from outside${why}`, () => {
  const lab = new Lab();
  const run = (node: string, script: string) =>
    lab.exec(node, process.execPath, ['-e', script], { timeoutMs: 45_000 });

  async function translated(): Promise<number> {
    const metrics = await Promise.all(['gw1', 'gw2'].map((name) => lab.metrics(name)));
    const counts = metrics.map((one) => sumOf(one, 'flowstore_icmp_errors_in_total'));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 2 });
  });
  afterAll(async () => {
    await lab.down();
  });

  it('tell the sender of a datagram that nobody takes it', async () => {
    const { stdout, stderr, code } = await run('client1', refusedDatagram);
    expect({ stdout, stderr, code }).toMatchObject({ stdout: 'ECONNREFUSED\n', code: 0 });
    await waitFor('the counter', async () => (await translated()) > 0, 5_000);
  });

  it('let a sender find out the MTU of its path: no black hole', async () => {
    const before = await translated();
    const { code } = await lab.exec('wan', 'ip', ['link', 'set', 'servers', 'mtu', '1280']);
    expect(code).toBe(0);
    const received = run('server1', sink);
    const sent = await run('client2', upload);
    expect(sent.code).toBe(0);
    expect(await received).toMatchObject({ code: 0, stdout: `${uploadBytes}\n` });
    expect(await translated()).toBeGreaterThan(before);
  });
});
