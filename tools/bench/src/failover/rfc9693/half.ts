/**
 * One half of a tester of RFC 9693: packets in, packets out, past the host's own stack.
 *
 *   node half.ts ROLE ADDRESS PEER ROUTER
 *   stdin: orders, one JSON line each; stdout: a number for each, and one before, when it is ready
 *
 * The initiator's connections are its source ports, so each is a binding of its own; the responder
 * answers to where a connection came from. Ends with its stdin, or by itself.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRawLink } from '@flowstore/chaos/raw-link';
import { UDP } from '@flowstore/flow';
import { buildPacket } from '@flowstore/nat/testing';
import { IP_OFFSET } from '@flowstore/packet-io';
import {
  FIRST_PORT,
  MORE_ADDRESSES,
  type Order,
  PORT,
  PORTS,
  payloadOf,
  type Range,
  type Role,
  saidIn,
} from './words.ts';

const TICK_MS = 1;
const LIVES_MS_MAX = 10 * 60_000;
/** IPv4 and UDP, without options. */
const HEADERS_BYTES = 28;

/** Where a connection's last packet came from, and which round's it was. */
interface Whence {
  readonly address: string;
  readonly port: number;
  readonly round: number;
}

const [role, address = '', peer = '', router = ''] = process.argv.slice(2) as [Role, ...string[]];
const addresses = [address, ...MORE_ADDRESSES];
const link = openRawLink(router);
const { wire } = link;
const came = new Map<number, Whence>();

/** In turn from each address, as one alone has no more ports outside than it has here. */
const portOf = (connection: number) =>
  FIRST_PORT + (Math.floor(connection / addresses.length) % PORTS);

function send(connection: number, round: number): void {
  const whence = came.get(connection);
  if (role === 'responder' && whence === undefined) return;
  const packet = buildPacket({
    protocol: UDP,
    from: role === 'initiator' ? addresses[connection % addresses.length]! : address,
    to: whence?.address ?? peer,
    fromPort: role === 'initiator' ? portOf(connection) : PORT,
    toPort: whence?.port ?? PORT,
    payload: payloadOf({ connection, round }),
  });
  link.send(packet);
}

function receive(): void {
  for (let count = wire.receive(); count > 0; count = wire.receive()) {
    for (let k = 0; k < count; k++) take(wire.offset(k) + IP_OFFSET);
  }
}

/** What is ours comes to the responder's port, or from it. */
function take(at: number): void {
  const { view, bytes } = wire.memory;
  const ours = role === 'responder' ? view.getUint16(at + 22) : view.getUint16(at + 20);
  if (bytes[at] !== 0x45 || bytes[at + 9] !== UDP || ours !== PORT) return;
  const said = saidIn(view, at + HEADERS_BYTES);
  if (said === null) return;
  const from = bytes.subarray(at + 12, at + 16).join('.');
  came.set(said.connection, { address: from, port: view.getUint16(at + 20), round: said.round });
}

function seen({ first, count }: Range, round: number): number {
  let found = 0;
  for (let connection = first; connection < first + count; connection++) {
    if (came.get(connection)?.round === round) found += 1;
  }
  return found;
}

/** Of all rounds: connections that came from where another one did. */
function shared(): number {
  const whences = [...came.values()].map(({ address, port }) => `${address}:${port}`);
  return whences.length - new Set(whences).size;
}

async function obey(order: Order): Promise<number> {
  if (order.order === 'shared') return shared();
  const { first, count } = order.range;
  if (order.order === 'seen') return seen(order.range, order.round);
  const startMs = performance.now();
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, (order.perS * (performance.now() - startMs)) / 1_000);
    for (; sent < due; sent++) send(first + sent, order.round);
    wire.flush();
    receive();
    await sleep(TICK_MS);
  }
  return count;
}

setTimeout(() => process.exit(1), LIVES_MS_MAX).unref();
setInterval(receive, TICK_MS);
process.stdout.write('0\n');
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await obey(JSON.parse(line)))}\n`);
}
process.exit();
