// What the NAT in between does, found out as RFC 5780 says, from several sockets: each goes through
// the tests of mapping (section 4.3), and a fresh one beside it through those of filtering (4.4).
import { createSocket, type Socket } from 'node:dgram';
import { Arguments } from './arguments.ts';
import { finish, report } from './report.ts';
import { type Change, decodeStun, type Endpoint, encodeStun, newTransaction } from './stun.ts';

const behaviours = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] as const;
type Behaviour = (typeof behaviours)[number];

const args = new Arguments(['server', 'port', 'sockets', 'again-ms', 'tries']);
const server: Endpoint = {
  address: args.text('server', '198.51.100.10'),
  port: args.number('port', { min: 1, max: 65_535, or: 3_478 }),
};
const socketCount = args.number('sockets', { min: 1, max: 200, or: 1 });
const againMs = args.number('again-ms', { min: 50, max: 5_000, or: 400 });
const tries = args.number('tries', { min: 1, max: 20, or: 6 });
const same: Change = { address: false, port: false };

type Answer = { mapped: Endpoint; other: Endpoint };

/** Asks until there is an answer, or gives up. */
function ask(socket: Socket, to: Endpoint, change: Change): Promise<Answer | undefined> {
  const transaction = newTransaction();
  const request = encodeStun({ isRequest: true, transaction, change });
  return new Promise((resolve) => {
    let sent = 0;
    const end = (answer: Answer | undefined) => {
      clearInterval(timer);
      socket.off('message', hear);
      resolve(answer);
    };
    const hear = (data: Buffer) => {
      const message = decodeStun(data);
      if (message?.transaction !== transaction || !message.mapped || !message.other) return;
      end({ mapped: message.mapped, other: message.other });
    };
    const send = () => {
      if (sent++ >= tries) end(undefined);
      else socket.send(request, to.port, to.address);
    };
    socket.on('message', hear);
    const timer = setInterval(send, againMs);
    send();
  });
}

async function newSocket(): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  return socket;
}

const text = ({ address, port }: Endpoint) => `${address}:${port}`;

async function mappingOf(socket: Socket): Promise<Behaviour | undefined> {
  const first = await ask(socket, server, same);
  if (!first) return undefined;
  const { other } = first;
  const second = await ask(socket, { address: other.address, port: server.port }, same);
  const third = await ask(socket, other, same);
  if (!second || !third) return undefined;
  if (text(first.mapped) !== text(second.mapped)) {
    return text(second.mapped) === text(third.mapped) ? behaviours[1] : behaviours[2];
  }
  return text(second.mapped) === text(third.mapped) ? behaviours[0] : behaviours[2];
}

async function filteringOf(socket: Socket): Promise<Behaviour | undefined> {
  if (!(await ask(socket, server, same))) return undefined;
  if (await ask(socket, server, { address: true, port: true })) return behaviours[0];
  return (await ask(socket, server, { address: false, port: true }))
    ? behaviours[1]
    : behaviours[2];
}

/** How many sockets met with which behaviour; `unknown` where there was no answer. */
async function countOf(test: (socket: Socket) => Promise<Behaviour | undefined>) {
  const found = await Promise.all(
    Array.from({ length: socketCount }, async () => {
      const socket = await newSocket();
      const behaviour = (await test(socket)) ?? 'unknown';
      socket.close();
      return behaviour;
    }),
  );
  const counts: Record<string, number> = {};
  for (const behaviour of found) counts[behaviour] = (counts[behaviour] ?? 0) + 1;
  return counts;
}

report({ event: 'started' });
const [mapping, filtering] = await Promise.all([countOf(mappingOf), countOf(filteringOf)]);
await finish({ mapping, filtering }, !('unknown' in mapping) && !('unknown' in filtering));
