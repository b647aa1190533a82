import { BLOCK_PORTS, blockOfPort, IN_DATA, OUT_DATA, OUT_SYN, TCP, UDP } from '@flowstore/flow';
import { expect, it } from 'vitest';
import {
  created,
  GATEWAY_2,
  OTHER_WEB,
  POOL,
  portOf,
  type Scenario,
  seen,
  tcp,
  UDP_LIFE_MS,
  udp,
  WEB,
} from './scenario.ts';

async function list(s: Scenario, protocol: number, block: number) {
  const [result] = await s.store.list([{ protocol, address: POOL, block }]);
  const ports = ({ entry }: { entry: { outside: { port: number } } }) => entry.outside.port;
  return [...result!.flows].sort((a, b) => ports(a) - ports(b));
}

export function listTests(current: () => Scenario): void {
  it('tells all bindings of a full block, each as find answers it', async () => {
    const s = current();
    const block = await s.lease(UDP);
    for (let n = 0; n < BLOCK_PORTS; n++) {
      created(await s.open(udp(n), { proposal: portOf(block, n), seen: seen(OUT_DATA, n) }));
    }
    const listed = await list(s, UDP, block.block);
    expect(listed.map(({ entry }) => entry.outside)).toEqual(
      Array.from({ length: BLOCK_PORTS }, (_, n) => portOf(block, n)),
    );
    for (const { entry, remote } of listed) {
      expect(await s.find(entry.inside, remote)).toEqual({ kind: 'entry', entry });
    }
  });

  it('tells of TCP which flow it is, and as much of it', async () => {
    const s = current();
    const block = await s.lease(TCP);
    const established = OUT_SYN | OUT_DATA | IN_DATA;
    const opening = { proposal: portOf(block, 3), seen: seen(established, 5) };
    const { flow } = created(await s.open(tcp(0), opening));
    created(await s.open(tcp(1), { proposal: portOf(block, 9), remote: OTHER_WEB }));
    const listed = await list(s, TCP, block.block);
    expect(listed.map(({ remote }) => remote)).toEqual([WEB, OTHER_WEB]);
    expect(listed[0]!.entry.flow).toMatchObject({ flags: established, identity: flow!.identity });
    for (const { entry, remote } of listed) {
      expect(await s.find(entry.inside, remote)).toEqual({ kind: 'entry', entry });
    }
    // A next incarnation on it, and an RST: rows of other lengths.
    await s.harness.advance(1);
    await s.open(tcp(0), { replaces: flow!.identity });
    const { identity } = listed[1]!.entry.flow!;
    await s.touch(tcp(1), OTHER_WEB, identity, { ...seen(0, null), rstAgeMs: 0 });
    const again = await list(s, TCP, block.block);
    expect(again).toHaveLength(2);
    expect(again[1]!.entry.flow!.reset).toBe(true);
    for (const { entry, remote } of again) {
      expect(await s.find(entry.inside, remote)).toEqual({ kind: 'entry', entry });
    }
  });

  it('tells one flow of a binding that has several', async () => {
    const s = current();
    const { outside } = await s.bound(tcp());
    await s.open(tcp(), { remote: OTHER_WEB });
    const listed = await list(s, TCP, blockOfPort(outside.port));
    expect(listed).toHaveLength(1);
    const { entry, remote } = listed[0]!;
    expect(entry.flow).not.toBeNull();
    expect(await s.find(tcp(), remote)).toEqual({ kind: 'entry', entry });
  });

  it('tells nothing of ports that are free or in quarantine, nor of what is over', async () => {
    const s = current();
    const block = await s.lease(UDP);
    const open = async (n: number) =>
      created(await s.open(udp(n), { proposal: portOf(block, n), seen: seen(OUT_DATA) }));
    const { binding } = await open(0);
    await open(1);
    await s.close(udp(0), null, binding.identity);
    expect((await list(s, UDP, block.block)).map(({ entry }) => entry.inside)).toEqual([udp(1)]);
    await s.harness.advance(UDP_LIFE_MS - 1);
    expect(await list(s, UDP, block.block)).toHaveLength(1);
    await s.harness.advance(1);
    expect(await list(s, UDP, block.block)).toEqual([]);
    expect(await list(s, UDP, block.block + 64)).toEqual([]);
  });

  it('keeps blocks, protocols and the order of the requests apart', async () => {
    const s = current();
    const [first, second] = [
      await s.bound(udp()),
      await s.bound(tcp(), { incarnation: GATEWAY_2 }),
    ];
    const blocks = [second, first].map(({ inside, outside }) => {
      return { protocol: inside.protocol, address: POOL, block: blockOfPort(outside.port) };
    });
    const results = await s.store.list(blocks);
    const insides = results.map((result) => result!.flows.map(({ entry }) => entry.inside));
    expect(insides).toEqual([[tcp()], [udp()]]);
  });

  it('refuses a block that there is none of', async () => {
    const s = current();
    for (const block of [-1, 4_032, 1.5]) {
      await expect(list(s, UDP, block)).rejects.toThrow(/there is no block/);
    }
  });
}
