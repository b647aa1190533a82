/** Bytes that mean nothing, to whatever listens on the management network. Nobody may notice. */
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import type { Fault } from './fault.ts';

const EVERY_MS = 20;
const BYTES_MAX = 1_400;
/** Where gateways hear each other. */
const PEER_PORT = 9_465;
/** Every so often what is sent begins as a request would. */
const REQUESTS = ['GET /metrics HTTP/1.1\r\n', 'POST /', 'PRI * HTTP/2.0\r\n\r\n', ''];

const noise = () => randomBytes(randomInt(0, BYTES_MAX));

function shout(host: string, port: number): void {
  const socket = createConnection({ host, port });
  socket.setTimeout(1_000, () => socket.destroy());
  socket.on('error', () => {});
  socket.on('connect', () => {
    socket.write(Buffer.concat([Buffer.from(REQUESTS[randomInt(REQUESTS.length)]!), noise()]));
    if (randomInt(2) === 0) socket.resetAndDestroy();
  });
  socket.resume();
}

export const garbage: Fault = async ({ lab, windows, sleep }, step) => {
  const window = windows.open('random bytes', {});
  const { gateways, reapers } = await lab.status();
  const pages = [...gateways, ...reapers].map(({ metrics }) => new URL(metrics));
  const peers = gateways.map(({ metrics }) => new URL(metrics).hostname);
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  for (let k = 0; k < step.lastsMs / EVERY_MS; k++) {
    for (const host of peers) socket.send(noise(), PEER_PORT, host, () => {});
    const { hostname, port } = pages[k % pages.length]!;
    shout(hostname, Number(port));
    await sleep(EVERY_MS);
  }
  socket.close();
  window.end();
};
