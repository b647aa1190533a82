/** Gateways that hear a shard's news and make the wrong thing of it. */
import type { FeedResult } from '@flowstore/flow-store';
import type { StoreReply } from '@flowstore/gateway-core';
import type { Mutant } from '../mutants.ts';
import type { CoreTamper } from '../world/box-options.ts';

/** What a core hears of its reads, one by one. */
function hearing(change: (result: FeedResult) => FeedResult): () => CoreTamper {
  return () => ({
    call: (call) => call,
    reply(call, reply) {
      if (call.operation !== 'feed' || reply.results === null) return reply;
      const results = reply.results as readonly (FeedResult | null)[];
      const changed = results.map((result) => result && change(result));
      return { id: reply.id, results: changed as StoreReply['results'] };
    },
  });
}

export const FEED_MUTANTS: readonly Mutant[] = [
  {
    name: 'voids-ignored',
    what: 'events are counted, and what they void is used on',
    newTamper: hearing((result) => (result.kind === 'gap' ? result : { ...result, events: [] })),
  },
  {
    name: 'gap-ignored',
    what: 'a feed that begins anew is taken for one without news',
    newTamper: hearing((result) =>
      result.kind === 'gap' ? { ...result, kind: 'events', events: [], more: false } : result,
    ),
    badDays: { faults: ['feedTrimmed', 'operatorCancels', 'gatewaySuspend'] },
  },
];
