import { CLUSTER_DEFAULTS, UDP } from '@flowstore/flow';
import { ModelFlowStore } from '@flowstore/flow-store/testing';
import { DEFAULT_LIMITS, GatewayCore, performCall } from '@flowstore/gateway-core';
import { buildPacket, checksumsAreRight } from '@flowstore/nat/testing';
import {
  createFrameMemory,
  createMemoryLink,
  IP_OFFSET,
  staticNextHops,
  VNET_BYTES,
  type Wire,
} from '@flowstore/packet-io';
import { expect, test } from 'vitest';
import { PacketLoop } from './packet-loop.ts';

const GATEWAY_INSIDE = 0xc6126502; // 198.18.101.2
const udp = { protocol: UDP, from: '198.18.1.10', fromPort: 5000, to: '198.51.100.10', toPort: 53 };

function build() {
  const [inside, lan] = createMemoryLink('inside', 'lan');
  const [domainInside, domainLan] = createMemoryLink('inside7', 'lan7');
  const [outside, wan] = createMemoryLink('outside', 'wan');
  const hops = staticNextHops(
    [
      {
        index: 1,
        name: 'inside',
        mac: '02:00:00:00:00:01',
        mtu: 1500,
        addresses: [GATEWAY_INSIDE],
      },
      { index: 2, name: 'outside', mac: '02:00:00:00:00:02', mtu: 1500, addresses: [] },
    ],
    [
      { destination: 0xc6120000, prefixBits: 16, interfaceIndex: 1, mac: '02:00:00:00:00:aa' },
      { destination: 0xc6336400, prefixBits: 24, interfaceIndex: 2, mac: '02:00:00:00:00:bb' },
    ],
  );
  const mac = '02:00:00:00:00:03';
  const domainHops = staticNextHops(
    [{ index: 3, name: 'inside7', mac, mtu: 1500, addresses: [] }],
    [{ destination: 0xc6120000, prefixBits: 16, interfaceIndex: 3, mac: '02:00:00:00:00:cc' }],
  );
  const domains = [{ domain: 7, wire: domainInside, hops: domainHops }];
  const config = {
    ...CLUSTER_DEFAULTS,
    domains: [{ domain: 7, insidePrefixes: ['198.18.0.0/16'] }],
    pool: ['203.0.113.0/28'],
    insidePrefixes: ['198.18.0.0/16'],
  };
  let state = 0;
  const core = new GatewayCore({
    config,
    limits: { ...DEFAULT_LIMITS, flowsMax: 64 },
    incarnation: '0000000000000001',
    random: () => {
      state = (state + 0x9e3779b1) >>> 0;
      return state;
    },
    nowMs: 1_000,
    emit: (side, memory, length) => loop.send(side, memory, 0, length, 1_000),
  });
  const loop: PacketLoop = new PacketLoop(core, { inside, outside, domains }, hops);
  const store = new ModelFlowStore({ config, nowMs: () => 5_000 });
  const settle = async () => {
    for (let calls = core.takeCalls(1_000); calls.length > 0; calls = core.takeCalls(1_000)) {
      for (const call of calls) core.reply(await performCall(store, call), 1_000);
    }
    loop.flush();
  };
  return { lan, wan, domainLan, core, loop, settle };
}

test('networks with the same addresses have a wire each, and next hops of their own', async () => {
  const { lan, wan, domainLan, loop, settle } = build();
  for (const from of [lan, domainLan]) {
    put(from, buildPacket(udp));
    loop.step(1_000);
    await settle();
  }
  const sent = take(wan);
  expect(sent).toHaveLength(2);
  for (const [k, to] of [domainLan, lan].entries()) {
    const view = new DataView(sent[1 - k]!.buffer);
    const outside = [...sent[1 - k]!.subarray(IP_OFFSET + 12, IP_OFFSET + 16)].join('.');
    const toPort = view.getUint16(IP_OFFSET + 20);
    const { to: from, toPort: fromPort } = udp;
    put(wan, buildPacket({ protocol: UDP, from, fromPort, to: outside, toPort }));
    loop.step(1_000);
    expect(take(to)).toHaveLength(1);
    expect(take(to === lan ? domainLan : lan)).toHaveLength(0);
  }
});

function put(wire: Wire, packet: Uint8Array): void {
  const frame = createFrameMemory(IP_OFFSET + packet.length);
  frame.bytes.set(packet, IP_OFFSET);
  wire.send(frame, 0, frame.bytes.length);
  wire.flush();
}

function take(wire: Wire): Uint8Array[] {
  return Array.from({ length: wire.receive() }, (_, k) =>
    wire.memory.bytes.slice(wire.offset(k), wire.offset(k) + wire.length(k)),
  );
}

test('a packet goes out translated, to its next hop, and its answer back', async () => {
  const { lan, wan, loop, settle } = build();
  put(lan, buildPacket(udp));
  expect(loop.step(1_000)).toBe(1);
  expect(take(wan)).toHaveLength(0);
  await settle();
  const [out] = take(wan);
  const macs = (frame: Uint8Array) =>
    Buffer.from(frame.subarray(VNET_BYTES, IP_OFFSET)).toString('hex');
  expect(macs(out!)).toBe('0200000000bb0200000000020800');
  expect(checksumsAreRight(out!.slice(IP_OFFSET))).toBe(true);
  const view = new DataView(out!.buffer, IP_OFFSET);
  const outside = [...out!.subarray(IP_OFFSET + 12, IP_OFFSET + 16)].join('.');
  const back = {
    protocol: UDP,
    from: udp.to,
    fromPort: 53,
    to: outside,
    toPort: view.getUint16(20),
  };
  put(wan, buildPacket(back));
  loop.step(1_000);
  const [inner] = take(lan);
  expect(macs(inner!)).toBe('0200000000aa0200000000010800');
  expect([...inner!.subarray(IP_OFFSET + 16, IP_OFFSET + 20)]).toEqual([198, 18, 1, 10]);
});

test('what is addressed to the box itself is left to its kernel', async () => {
  const { lan, wan, loop, settle } = build();
  put(lan, buildPacket({ ...udp, to: '198.18.101.2' }));
  loop.step(1_000);
  await settle();
  expect(take(wan)).toHaveLength(0);
  expect(loop.counters.local).toBe(1);
});

test('a packet without a way on is dropped and counted', async () => {
  const { lan, wan, loop, settle } = build();
  put(lan, buildPacket({ ...udp, to: '192.0.2.1' }));
  put(lan, buildPacket({ ...udp, fromPort: 6000, to: '198.18.7.7' }));
  loop.step(1_000);
  await settle();
  expect(take(wan)).toHaveLength(0);
  expect(loop.counters).toMatchObject({ dropNoRoute: 1, dropWrongWay: 1 });
});

test('a frame that is no packet is counted, not sent', () => {
  const { lan, wan, core, loop } = build();
  put(lan, new Uint8Array(10));
  put(lan, buildPacket(udp).with(0, 0x65));
  loop.step(1_000);
  expect(take(wan)).toHaveLength(0);
  expect(core.counters.malformed.reduce((sum, count) => sum + count)).toBe(2);
});
