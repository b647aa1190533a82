/** One question to a name server from a socket of its own, asked again as resolvers do. */
import { createSocket } from 'node:dgram';
import { nowMs } from '../clock.ts';
import { encodeQuestion, endpointOf, readName } from './dns.ts';
import { type FlowStory, Silence } from './story.ts';
import { DNS_PORT } from './words.ts';

const ASK_AGAIN_MS = 1_000;
const TRIES_MAX = 3;

export interface DnsFlowOptions {
  readonly flow: string;
  readonly server: string;
  readonly client: string;
}

export function askDns(options: DnsFlowOptions, ended: (story: FlowStory) => void): void {
  const { flow, server, client } = options;
  const socket = createSocket('udp4');
  const silence = new Silence();
  const beganMs = nowMs();
  const id = Math.floor(beganMs) & 0xffff;
  let inside = '';
  let misdelivered = 0;
  let tries = 0;
  let timer: NodeJS.Timeout | undefined;

  const finish = (openedMs: number | null) => {
    clearTimeout(timer);
    silence.finish();
    socket.close();
    const outcome = openedMs === null ? 'refused' : 'survived';
    const why = openedMs === null ? `no answer to ${TRIES_MAX} questions` : '';
    const { gaps, longestMs: longestGapMs } = silence;
    const times = { beganMs, openedMs, endedMs: nowMs(), heardMs: openedMs };
    const story = { flow, kind: 'dns' as const, inside, ...times, outcome, why } as const;
    ended({ ...story, misdelivered, lost: tries - 1, gaps, longestGapMs });
  };
  const ask = () => {
    if (tries === TRIES_MAX) return finish(null);
    tries++;
    silence.said();
    const { port } = socket.address();
    inside = `${client}:${port}`;
    const labels = [flow, String(port), client.split('.').at(-1)!, 'test'];
    socket.send(encodeQuestion(id, labels), DNS_PORT, server, () => {});
    timer = setTimeout(ask, ASK_AGAIN_MS);
  };
  socket.on('error', () => {});
  socket.on('message', (message) => {
    const name = readName(message);
    if (name?.id === id && name.labels[0] === flow) return finish(nowMs());
    // A late answer to the socket that had this port before us came to the right endpoint.
    if (name === null || endpointOf(name.labels) !== inside) misdelivered++;
  });
  socket.bind(0, ask);
}
