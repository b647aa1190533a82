/** A connection that two masters were told of, each under an identity of its own. */
import { type Identity, IN_DATA, IN_FIN, OUT_DATA, OUT_FIN, OUT_SYN } from '@flowstore/flow';
import { expect, it } from 'vitest';
import type { Sighting, StoredEntry } from '../contract.ts';
import { GATEWAY_2, type Scenario, SHARD, seen, tcp, WEB } from './scenario.ts';

const BY_THE_FORMER = seen(OUT_SYN | IN_DATA);
const BY_THE_LATER = seen(OUT_SYN | OUT_DATA);
const ALL = OUT_SYN | OUT_DATA | IN_DATA;

const later = ({ generation }: Identity): Identity => ({ generation: generation + 1, nonce: 7 });

async function reassert(s: Scenario, entry: StoredEntry, identity: Identity, sighting: Sighting) {
  const { inside, outside } = entry;
  const request = { inside, remote: WEB, outside, identity, seen: sighting };
  const [result] = await s.store.reassert([request]);
  return result!;
}

/** What one master was told; another server answers from then on. */
async function toldToOne(s: Scenario, sighting = BY_THE_FORMER) {
  const entry = await s.bound(tcp());
  const { identity } = entry.flow!;
  await s.touch(tcp(), WEB, identity, sighting);
  await s.harness.changeServer();
  const ask = { shard: SHARD, incarnation: GATEWAY_2, last: null, nonce: 3 };
  const [feed] = await s.store.feed([ask]);
  return { entry, identity, tail: feed!.tail };
}

export function twoMastersTests(current: () => Scenario): void {
  it('is one flow, of the later identity, with all that either was told', async () => {
    const s = current();
    const { entry, identity } = await toldToOne(s);
    const flow = { identity: later(identity), flags: ALL };
    for (let twice = 0; twice < 2; twice++) {
      const answer = await reassert(s, entry, later(identity), BY_THE_LATER);
      expect(answer).toMatchObject({ kind: 'restored', flow });
    }
    expect(await s.find(tcp(), WEB)).toMatchObject({ kind: 'entry', entry: { flow } });
    expect(await s.touch(tcp(), WEB, identity, BY_THE_FORMER)).toEqual({ kind: 'stale' });
  });

  it('is the same where the former identity is told again after the later one', async () => {
    const s = current();
    const { entry, identity } = await toldToOne(s, seen(OUT_SYN));
    await reassert(s, entry, later(identity), BY_THE_LATER);
    const answer = await reassert(s, entry, identity, BY_THE_FORMER);
    const flow = { identity: later(identity), flags: ALL };
    expect(answer).toMatchObject({ kind: 'exists', entry: { flow } });
  });

  it('is told to whoever has it under the former identity', async () => {
    const s = current();
    const { entry, identity, tail } = await toldToOne(s);
    await reassert(s, entry, later(identity), BY_THE_LATER);
    const ask = { shard: SHARD, incarnation: GATEWAY_2, last: tail, nonce: 3 };
    const [feed] = await s.store.feed([ask]);
    const { outside } = entry;
    const { generation: below } = later(identity);
    const gone = expect.objectContaining({ kind: 'void', outside, remote: WEB, below });
    expect(feed).toMatchObject({ events: expect.arrayContaining([gone]) });
  });

  it('takes nothing of a connection that was over', async () => {
    const s = current();
    const { entry, identity } = await toldToOne(s, seen(ALL | OUT_FIN | IN_FIN));
    const answer = await reassert(s, entry, later(identity), BY_THE_LATER);
    const flow = { identity: later(identity), flags: BY_THE_LATER.flags };
    expect(answer).toMatchObject({ kind: 'restored', flow });
  });
}
