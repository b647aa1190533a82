/** Servers that took over without knowing it; gateways that keep what they hold to themselves. */
import type { CloseRequest, CloseResult, LeaseRequest, LeaseResult } from '@flowstore/flow-store';
import type { StoreCall, StoreReply } from '@flowstore/gateway-core';
import type { Mutant } from '../mutants.ts';
import type { CoreTamper } from '../world/box-options.ts';
import type { Execute, Server } from '../world/store-site.ts';

/** Marks the shards of a server that took over as fresh, as if it had been there all the time. */
function noGrace(): Execute {
  let known: Server | null = null;
  return (server, _operation, request, run) => {
    if (server !== known) {
      known = server;
      for (const { grace } of server.model.data.shards) grace.markFresh(server.name);
    }
    return run(request);
  };
}

/** Grants what the store knows nothing of, whether or not it knows all that it ever knew. */
function grantsAfterLosses(): Execute {
  return ({ model }, operation, request, run) => {
    const result = run(request);
    if (operation !== 'lease' || (result as LeaseResult | null)?.kind !== 'notYet') return result;
    const asked = request as LeaseRequest;
    const shard = model.data.shards[asked.shard]!;
    return shard.ports.lease(asked, 'untouched', model.config, shard.timeMs(0));
  };
}

function closesInGrace(): Execute {
  return ({ model }, operation, request, run) => {
    const result = run(request);
    if (operation !== 'close' || (result as CloseResult).kind !== 'notYet') return result;
    return model.close([{ ...(request as CloseRequest), reason: 'cancel' }])[0];
  };
}

function neverReasserts(): CoreTamper {
  return {
    call(call) {
      if (call.operation !== 'reassert') return call;
      const results = call.requests.map(() => ({ kind: 'tooLate' }));
      return { id: call.id, results: results as unknown as StoreReply['results'] };
    },
    reply: (_call, reply) => reply,
  };
}

function givesWay(): CoreTamper {
  return {
    call(call) {
      if (call.operation !== 'reassert') return call;
      const requests = call.requests.map((request) => ({ ...request, replaces: null }));
      return { ...call, requests } as StoreCall;
    },
    reply: (_call, reply) => reply,
  };
}

const LOSSES = { faults: ['storeDataLost', 'failoverLostSuffix'] };

export const GRACE_MUTANTS: readonly Mutant[] = [
  {
    name: 'no-grace',
    what: 'a server that took over grants what its predecessor may have granted',
    newExecute: noGrace,
    badDays: LOSSES,
  },
  {
    name: 'grants-after-losses',
    what: 'in grace ports are granted that the store knows nothing of, though it lost what it knew',
    newExecute: grantsAfterLosses,
    badDays: LOSSES,
  },
  {
    name: 'closes-in-grace',
    what: 'who was idle is ended, though others may not have said what they saw',
    newExecute: closesInGrace,
    badDays: { ...LOSSES, traffic: { edgeShare: 0.4 } },
  },
  {
    name: 'gives-way-in-grace',
    what: 'what was opened in grace wins over a binding that its opener did not know',
    newTamper: givesWay,
    badDays: {
      faults: ['storeDataLost', 'storeDataLost'],
      traffic: { sharedPortShare: 0.7, udpShare: 0.05, insideHosts: 2 },
    },
  },
  {
    name: 'never-reasserts',
    what: 'what the store lost is not told again',
    newTamper: neverReasserts,
    badDays: LOSSES,
  },
];
