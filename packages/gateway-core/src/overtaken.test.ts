/** Answers that come late: what the feed told meanwhile is about what they say. */
import type { StoredEntry } from '@flowstore/flow-store';
import { expect, test } from 'vitest';
import { Side } from './frame.ts';
import { performCall } from './store-call.ts';
import { back, udpOut } from './testing/traffic.ts';
import { World } from './testing/world.ts';

const LATE_MS = 4_900;

test('what was found before its end, and told after it, is not used', async () => {
  const world = new World({ gateways: 2 });
  const [first] = await world.send(0, Side.Inside, udpOut);
  await world.advance(10_000, 500);
  const gateway = world.gateways[1]!;
  world.inject(1, Side.Outside, back(first!));
  const [call] = gateway.takeCalls(world.nowMs);
  expect(call!.operation).toBe('find');
  const reply = await performCall(world.store, call!);
  const [found] = reply.results as readonly { readonly entry: StoredEntry }[];
  const { inside, binding } = found!.entry;
  await world.store.close([{ inside, remote: null, identity: binding.identity, reason: 'cancel' }]);
  // Every shard's feed is read within it.
  await world.advance(LATE_MS, 100);
  gateway.reply(reply, world.nowMs);
  await world.settle();
  await world.advance(world.store.config.quarantineMs, 1_000);
  expect(await world.send(1, Side.Outside, back(first!))).toEqual([]);
});
