/** TCP by the table of @flowstore/flow, the two directions at two gateways (RFC 5382, 7857). */
import { TCP } from '@flowstore/flow';
import { describe, expect, test } from 'vitest';
import { Side } from './frame.ts';
import { ACK, back, RST, SYN, SYN_ACK, segment, tcpOut } from './testing/traffic.ts';
import { INSIDE, REMOTE, type Sent, TEST_CONFIG, World } from './testing/world.ts';

const FIN_ACK = 0x11;
const MINUTE_MS = 60_000;

/** A connection's segments: from inside through gateway 0, from outside through gateway 1. */
class Connection {
  readonly world = new World({ gateways: 2 });
  syn: Sent | undefined;

  async out(tcpFlags: number): Promise<Sent | undefined> {
    const [sent] = await this.world.send(0, Side.Inside, { ...segment, tcpFlags });
    this.syn ??= sent;
    return sent;
  }

  async in(tcpFlags: number): Promise<Sent | undefined> {
    const packet = back(this.syn!, { protocol: TCP, tcpFlags });
    const [sent] = await this.world.send(1, Side.Outside, packet);
    return sent;
  }

  async handshake(): Promise<this> {
    await this.out(SYN);
    await this.in(SYN_ACK);
    await this.out(ACK);
    return this;
  }

  async idle(minutes: number): Promise<void> {
    await this.world.advance(minutes * MINUTE_MS, 10_000);
    await this.world.sweep();
  }

  get isStored(): boolean {
    return this.world.store.counts().entries > 0;
  }
}

describe('5382-2: every sequence of segments passes', () => {
  test('a connection from its first SYN to its last ACK', async () => {
    const tcp = await new Connection().handshake();
    for (const flags of [ACK, FIN_ACK]) expect(await tcp.in(flags)).toMatchObject({ to: INSIDE });
    for (const flags of [ACK, FIN_ACK]) expect(await tcp.out(flags)).toMatchObject({ to: REMOTE });
    expect(await tcp.in(ACK)).toMatchObject({ to: INSIDE, tcpFlags: ACK });
  });

  test('one that is half closed goes on for as long as it is established', async () => {
    const tcp = await new Connection().handshake();
    await tcp.out(FIN_ACK);
    await tcp.idle(120);
    expect(await tcp.in(ACK)).toMatchObject({ to: INSIDE });
    expect(await tcp.out(ACK)).toMatchObject({ to: REMOTE });
  });

  test('a port that is used again in TIME_WAIT: the SYN begins the next incarnation', async () => {
    const tcp = await new Connection().handshake();
    await tcp.in(FIN_ACK);
    await tcp.out(FIN_ACK);
    await tcp.in(ACK);
    await tcp.world.advance(1_000);
    const before = tcp.syn!;
    const again = await tcp.out(SYN);
    expect(again).toMatchObject({ from: before.from, fromPort: before.fromPort, tcpFlags: SYN });
    await tcp.in(SYN_ACK);
    await tcp.out(ACK);
    await tcp.idle(60);
    expect(await tcp.in(ACK)).toMatchObject({ to: INSIDE });
  });

  test('a segment of a connection that nobody knows opens none', async () => {
    const tcp = new Connection();
    const answer = await tcp.out(ACK);
    expect(answer).toMatchObject({ side: Side.Inside, to: INSIDE, tcpFlags: RST });
    expect(tcp.isStored).toBe(false);
  });
});

describe('5382-5 7857-2: how long a connection may idle', () => {
  test('from its handshake on 2 h 4 min, though neither end sends any data', async () => {
    const tcp = await new Connection().handshake();
    await tcp.idle(120);
    expect(await tcp.in(ACK)).toMatchObject({ to: INSIDE });
    await tcp.idle(123);
    expect(await tcp.out(ACK)).toMatchObject({ to: REMOTE });
    await tcp.idle(124 + 45);
    expect(tcp.isStored).toBe(false);
  });

  test.each([
    ['a SYN alone', [SYN], []],
    ['a SYN and its SYN-ACK', [SYN], [SYN_ACK]],
  ])('%s: 4 minutes, and not much longer', async (_, out, answers) => {
    const tcp = new Connection();
    for (const flags of out) await tcp.out(flags);
    for (const flags of answers) await tcp.in(flags);
    await tcp.idle(3.9);
    expect(tcp.isStored).toBe(true);
    await tcp.idle(4);
    expect(tcp.isStored).toBe(false);
  });

  test('7857-2.1: closing has a timer of its own', async () => {
    const timeouts = { ...TEST_CONFIG.timeouts, tcpClosingMs: 20 * MINUTE_MS };
    const world = new World({ config: { ...TEST_CONFIG, timeouts } });
    const [syn] = await world.send(0, Side.Inside, tcpOut);
    await world.send(0, Side.Outside, back(syn!, { protocol: TCP, tcpFlags: FIN_ACK }));
    await world.send(0, Side.Inside, { ...segment, tcpFlags: FIN_ACK });
    await world.advance(19 * MINUTE_MS, 10_000);
    await world.sweep();
    expect(world.store.counts().entries).toBe(1);
    await world.advance(12 * MINUTE_MS, 10_000);
    await world.sweep();
    expect(world.store.counts().entries).toBe(0);
  });
});

test('who saw more than it told says so when another gateway saw the end', async () => {
  const tcp = await new Connection().handshake();
  const { world, syn } = tcp;
  for (let i = 0; i < 12; i++) {
    await tcp.in(ACK);
    await world.advance(10_000);
  }
  const answer = back(syn!, { protocol: TCP, tcpFlags: FIN_ACK });
  await world.send(0, Side.Outside, answer);
  await tcp.out(FIN_ACK);
  await world.advance(100, 10);
  const touches = () => world.calls.filter(({ operation }) => operation === 'touch').length;
  const before = touches();
  await world.advance(2 * TEST_CONFIG.heartbeatMs);
  expect(touches() - before).toBe(1);
});

describe('7857-2.2: an RST', () => {
  test('is translated, and the state is kept for 4 minutes after it', async () => {
    const tcp = await new Connection().handshake();
    await tcp.world.advance(1_000);
    expect(await tcp.in(RST)).toMatchObject({ to: INSIDE, tcpFlags: RST });
    expect(await tcp.out(RST)).toMatchObject({ to: REMOTE, tcpFlags: RST });
    await tcp.idle(3.9);
    expect(tcp.isStored).toBe(true);
    await tcp.idle(4);
    expect(tcp.isStored).toBe(false);
  });

  test('that data follows was forged: the connection goes on', async () => {
    const tcp = await new Connection().handshake();
    await tcp.in(RST);
    await tcp.idle(0.5);
    expect(await tcp.out(ACK)).toMatchObject({ to: REMOTE });
    expect(await tcp.in(ACK)).toMatchObject({ to: INSIDE });
    await tcp.idle(100);
    expect(await tcp.in(ACK)).toMatchObject({ to: INSIDE });
  });
});
