/**
 * One half of a tester of RFC 9693 (section 4): packets in, packets out, past the host's own stack.
 *
 *   node half.ts ROLE ADDRESS PEER ROUTER     stdin: orders, one JSON line each; stdout: answers
 *
 * The initiator's connections are its source ports, so each is a binding of its own; the responder
 * answers to where a connection came from. Ends with its stdin, or by itself.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { UDP } from '@flowstore/flow';
import { buildPacket } from '@flowstore/nat/testing';
import { createFrameMemory, IP_OFFSET, openAfPacket, VNET_BYTES } from '@flowstore/packet-io';
import {
  FIRST_PORT,
  MORE_ADDRESSES,
  type Order,
  PORT,
  PORTS,
  payloadOf,
  type Role,
  type Seen,
  saidIn,
} from './words.ts';

const DEVICE = 'eth0';
const IPV4 = [0x08, 0x00];
const TICK_MS = 1;
const LIVES_MS_MAX = 10 * 60_000;
/** IPv4 and UDP, without options. */
const HEADERS_BYTES = 28;
const FRAME_BYTES = 128;

/** Where a connection's last packet came from, and which round's it was. */
interface Whence {
  readonly address: string;
  readonly port: number;
  readonly round: number;
}

const [role, address = '', peer = '', router = ''] = process.argv.slice(2) as [Role, ...string[]];
const addresses = [address, ...MORE_ADDRESSES];
const wire = openAfPacket({ interfaceName: DEVICE, batchMax: 64 });
const memory = createFrameMemory(FRAME_BYTES);
const came = new Map<number, Whence>();

/** The router's, as the kernel learned it. */
function routerMac(): number[] {
  const line = readFileSync('/proc/net/arp', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${router} `));
  const mac = line?.split(/\s+/)[3];
  if (mac === undefined) throw new Error(`${router} is not in /proc/net/arp: ping it first`);
  return mac.split(':').map((part) => Number.parseInt(part, 16));
}

const header = [...routerMac(), 2, 0, 0, 0, 0, role === 'initiator' ? 1 : 2, ...IPV4];

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
  memory.bytes.fill(0, 0, VNET_BYTES);
  memory.bytes.set(header, VNET_BYTES);
  memory.bytes.set(packet, IP_OFFSET);
  wire.send(memory, 0, IP_OFFSET + packet.length);
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

function seen(first: number, count: number, round: number): Seen {
  const whences = new Set<string>();
  let found = 0;
  for (let connection = first; connection < first + count; connection++) {
    const whence = came.get(connection);
    if (whence?.round !== round) continue;
    found += 1;
    whences.add(`${whence.address}:${whence.port}`);
  }
  return { seen: found, shared: found - whences.size };
}

async function obey(order: Order): Promise<object> {
  const { first, count } = order.range;
  if (order.order === 'seen') return seen(first, count, order.round);
  const startMs = performance.now();
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, (order.perS * (performance.now() - startMs)) / 1_000);
    for (; sent < due; sent++) send(first + sent, order.round);
    wire.flush();
    receive();
    await sleep(TICK_MS);
  }
  return { tookMs: performance.now() - startMs };
}

setTimeout(() => process.exit(1), LIVES_MS_MAX).unref();
setInterval(receive, TICK_MS);
process.stdout.write('{"ready":true}\n');
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await obey(JSON.parse(line)))}\n`);
}
process.exit();
