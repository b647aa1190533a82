// A STUN server with two addresses and two ports (RFC 5780): answers from the endpoint that was
// asked, or from another one if the request says so.
import { createSocket, type Socket } from 'node:dgram';
import { Arguments } from './arguments.ts';
import { finish, report } from './report.ts';
import { decodeStun, encodeStun } from './stun.ts';
import { secondsMax, untilTold } from './until.ts';

const args = new Arguments(['address', 'other-address', 'port', 'other-port', 'seconds']);
const addresses = [args.text('address', ''), args.text('other-address', '')];
const ports = [
  args.number('port', { min: 1, max: 65_535, or: 3_478 }),
  args.number('other-port', { min: 1, max: 65_535, or: 3_479 }),
];
const seconds = args.numberIfGiven('seconds', { min: 0.1, max: secondsMax });
let answered = 0;

const other = (index: number, change: boolean) => (change ? 1 - index : index);
const sockets: Socket[][] = [[], []];

for (const [a, address] of addresses.entries()) {
  for (const [p, port] of ports.entries()) {
    const socket = createSocket('udp4');
    sockets[a]![p] = socket;
    socket.on('message', (data, from) => {
      const message = decodeStun(data);
      if (!message?.isRequest) return;
      const { transaction, change } = message;
      const answer = encodeStun({
        isRequest: false,
        transaction,
        change: { address: false, port: false },
        mapped: { address: from.address, port: from.port },
        other: { address: addresses[1 - a]!, port: ports[1 - p]! },
      });
      answered++;
      const sender = sockets[other(a, change.address)]![other(p, change.port)]!;
      sender.send(answer, from.port, from.address);
    });
    await new Promise<void>((resolve) => socket.bind(port, address, resolve));
  }
}

report({ event: 'started' });
await untilTold(seconds);
await finish({ answered }, true);
