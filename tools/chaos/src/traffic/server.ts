/**
 * Runs in a server's namespace: repeats what it hears over TCP and UDP, answers DNS questions, and
 * watches whose the outside endpoints are.
 *
 *   server.ts --quarantine-ms N
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { nowMs } from '../clock.ts';
import { encodeAnswer, endpointOf, readName } from './dns.ts';
import { tell } from './tell.ts';
import { Witness } from './witness.ts';
import { DNS_PORT, ECHO_PORT, readWords, sayWords } from './words.ts';

const LINE_CHARS_MAX = 65_536;
const BACKLOG = 4_096;

const { values } = parseArgs({ options: { 'quarantine-ms': { type: 'string' } } });
const witness = new Witness(Number(values['quarantine-ms']));

function watch(protocol: string, outside: string, inside: string): void {
  const conflict = witness.hear(protocol, outside, inside, nowMs());
  if (conflict !== null) tell({ event: 'conflict', atMs: nowMs(), ...conflict });
}

/** What is repeated; undefined for what nobody of ours said. */
function repeat(protocol: string, text: string, outside: string): string | undefined {
  const words = readWords(text);
  if (words === null) return undefined;
  watch(protocol, outside, words.endpoint);
  return sayWords({ ...words, endpoint: outside });
}

function serveTcp(socket: Socket): void {
  const outside = `${socket.remoteAddress}:${socket.remotePort}`;
  let rest = '';
  socket.setNoDelay(true);
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(-LINE_CHARS_MAX);
    const answers = lines.map((line) => repeat('tcp', line, outside) ?? 'what?');
    if (answers.length === 0) return;
    // A client that doesn't read is not read from either.
    if (!socket.write(`${answers.join('\n')}\n`, 'latin1')) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
  socket.on('error', () => {});
}

function answerDns(socket: UdpSocket, message: Buffer, { address, port }: RemoteInfo): void {
  const name = readName(message);
  if (name === null) return;
  watch('udp', `${address}:${port}`, endpointOf(name.labels));
  socket.send(encodeAnswer(message, [192, 0, 2, 1]), port, address, () => {});
}

async function bound(port: number): Promise<UdpSocket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  socket.on('error', () => {});
  socket.bind(port);
  await once(socket, 'listening');
  return socket;
}

const tcp = createServer({ noDelay: true }, serveTcp);
tcp.listen({ port: ECHO_PORT, host: '0.0.0.0', backlog: BACKLOG });
await once(tcp, 'listening');
const udp = await bound(ECHO_PORT);
udp.on('message', (data, { address, port }) => {
  const answer = repeat('udp', data.toString('latin1'), `${address}:${port}`);
  if (answer !== undefined) udp.send(answer, port, address, () => {});
});
const dns = await bound(DNS_PORT);
dns.on('message', (message, from) => answerDns(dns, message, from));
tell({ event: 'listening' });

// The lab ends it; so does the end of whoever started it.
const stop = () => {
  const line = JSON.stringify({ event: 'summary', ok: true });
  process.stdout.write(`${line}\n`, () => process.exit(0));
};
process.stdin.on('end', stop).resume();
process.on('SIGTERM', stop);
