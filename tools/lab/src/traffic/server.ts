// Runs in a server's namespace: HTTP on 8080, TCP echo on 7000, UDP echo on 7001.
//   GET /?bytes=N&seconds=S&seed=X   N bytes of the seed's pattern, paced to about S seconds,
//                                    their SHA-256 in the header x-sha256
import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { Arguments } from './arguments.ts';
import { bodyBytesMax, Pattern, patternDigest } from './pattern.ts';
import { finish, report, reportEvery } from './report.ts';
import { secondsMax, untilTold } from './until.ts';

const connectionsMax = 40_000;
const paceMs = 20;
const chunkBytesMax = 256 * 1024;

const counts = { httpRequests: 0, httpBytes: 0, tcpConnections: 0, tcpOpen: 0, tcpBytes: 0 };
const udpCounts = { udpDatagrams: 0 };
const progress = () => ({ ...counts, ...udpCounts });

function numberIn(query: URLSearchParams, name: string, or: number, max: number) {
  const value = Number(query.get(name) ?? or);
  return value >= 0 && value <= max ? value : undefined;
}

async function answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
  const query = new URL(request.url ?? '/', 'http://server').searchParams;
  const bytes = numberIn(query, 'bytes', 1_000_000, bodyBytesMax);
  const seconds = numberIn(query, 'seconds', 0, secondsMax);
  if (bytes === undefined || seconds === undefined || !Number.isInteger(bytes)) {
    reply.writeHead(400).end(`bytes: 0..${bodyBytesMax}, seconds: 0..${secondsMax}\n`);
    return;
  }
  const seed = query.get('seed') ?? 'flowstore';
  counts.httpRequests++;
  const digest = await patternDigest(seed, bytes);
  reply.writeHead(200, { 'content-length': bytes, 'x-sha256': digest });
  await sendPaced(reply, new Pattern(seed, bytes), bytes, seconds);
}

// Every tick sends what is due by now, so a late tick is made up for; a full socket waits.
function sendPaced(
  reply: ServerResponse,
  pattern: Pattern,
  bytes: number,
  seconds: number,
): Promise<void> {
  const start = performance.now();
  let sent = 0;
  return new Promise((resolve) => {
    const end = () => {
      clearInterval(timer);
      resolve();
    };
    const send = () => {
      const share = seconds === 0 ? 1 : (performance.now() - start) / (seconds * 1_000);
      const due = Math.min(bytes, Math.ceil(bytes * share));
      while (sent < due && !reply.writableNeedDrain && !reply.destroyed) {
        const chunk = pattern.next(Math.min(due - sent, chunkBytesMax));
        sent += chunk.length;
        counts.httpBytes += chunk.length;
        reply.write(chunk);
      }
      if (sent === bytes) reply.end();
    };
    const timer = setInterval(send, paceMs);
    reply.on('drain', send);
    reply.on('close', end);
    send();
  });
}

function echo(socket: Socket): void {
  counts.tcpConnections++;
  counts.tcpOpen++;
  socket.setNoDelay(true);
  socket.on('data', (data) => {
    counts.tcpBytes += data.length;
    // A client that doesn't read is not read from either.
    if (!socket.write(data)) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => counts.tcpOpen--);
}

async function main(): Promise<void> {
  const args = new Arguments(['host', 'seconds', 'progress-ms']);
  const host = args.text('host', '0.0.0.0');
  const seconds = args.numberIfGiven('seconds', { min: 0.1, max: secondsMax });
  const every = args.number('progress-ms', { min: 50, max: 60_000, or: 1_000 });

  const http = createServer((request, reply) => {
    answer(request, reply).catch((error) => reply.destroy(error));
  });
  const tcp = createTcpServer({ noDelay: true }, echo);
  tcp.maxConnections = connectionsMax;
  const udp = createSocket('udp4');
  udp.on('message', (data, from) => {
    udpCounts.udpDatagrams++;
    udp.send(data, from.port, from.address, () => {});
  });
  await Promise.all([
    new Promise<void>((resolve) => http.listen(8080, host, resolve)),
    new Promise<void>((resolve) => tcp.listen({ port: 7000, host, backlog: 4_096 }, resolve)),
    new Promise<void>((resolve) => udp.bind(7001, host, resolve)),
  ]);
  report({ event: 'listening', http: 8080, tcpEcho: 7000, udpEcho: 7001 });
  const stop = reportEvery(every, progress);
  const why = await untilTold(seconds);
  stop();
  await finish({ why, ...progress() }, true);
}

await main();
