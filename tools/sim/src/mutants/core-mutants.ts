/** Gateways that think they know better. */
import type { Endpoint, SocketAddress } from '@flowstore/flow';
import type { FindResult, OpenRequest, OpenResult, TouchRequest } from '@flowstore/flow-store';
import type { StoreCall, StoreReply } from '@flowstore/gateway-core';
import type { Mutant } from '../mutants.ts';
import type { CoreTamper } from '../world/box-options.ts';

const honest: CoreTamper = {
  call: (call) => call,
  reply: (_call, reply) => reply,
};

type Results = NonNullable<StoreReply['results']>;

/** Results changed one by one, where there are any. */
function change(
  call: StoreCall,
  reply: StoreReply,
  how: (request: unknown, result: unknown) => unknown,
): StoreReply {
  if (reply.results === null) return reply;
  const results = call.requests.map((request, i) => how(request, reply.results![i]));
  return { id: reply.id, results: results as unknown as Results };
}

function keyOf(request: unknown): string {
  const { inside, remote } = request as { inside: Endpoint; remote: SocketAddress | null };
  const to = remote === null ? '' : `${remote.address.join('.')}:${remote.port}`;
  return `${inside.protocol} ${inside.address.join('.')}:${inside.port} ${to}`;
}

/** A report that failed is sent again with the age that it had then. */
function agesUnchanged(): CoreTamper {
  const failed = new Map<string, number | null>();
  return {
    call(call) {
      if (call.operation !== 'touch') return call;
      const requests = (call.requests as TouchRequest[]).map((request) => {
        const ageMs = failed.get(keyOf(request));
        if (ageMs === undefined || request.seen.ageMs === null) return request;
        return { ...request, seen: { ...request.seen, ageMs } };
      });
      return { ...call, requests };
    },
    reply(call, reply) {
      if (call.operation !== 'touch') return reply;
      for (const request of call.requests as TouchRequest[]) {
        if (reply.results === null) failed.set(keyOf(request), request.seen.ageMs);
        else failed.delete(keyOf(request));
      }
      return reply;
    },
  };
}

/** A `no` answers whoever asks for a minute. */
function noRemembered(): CoreTamper {
  const noUntilMs = new Map<string, number>();
  const keyed = (request: unknown) => JSON.stringify(request);
  return {
    call(call, nowMs) {
      if (call.operation !== 'find') return call;
      const isNo = (request: unknown) => (noUntilMs.get(keyed(request)) ?? 0) > nowMs;
      if (!call.requests.some(isNo)) return call;
      const results: FindResult[] = call.requests.map(() => ({ kind: 'no' }));
      return { id: call.id, results };
    },
    reply(call, reply, nowMs) {
      if (call.operation !== 'find') return reply;
      return change(call, reply, (request, result) => {
        if ((result as FindResult).kind === 'no') noUntilMs.set(keyed(request), nowMs + 60_000);
        return result;
      });
    },
  };
}

/** An opening is taken for granted before the store has said so; the store never hears of it. */
function forwardBeforeCommit(): CoreTamper {
  return {
    ...honest,
    call(call) {
      if (call.operation !== 'open') return call;
      const requests = call.requests as OpenRequest[];
      if (requests.some(({ proposal }) => proposal === null)) return call;
      return { id: call.id, results: requests.map(granted) };
    },
  };
}

function granted({ inside, remote, proposal, nonce }: OpenRequest): OpenResult {
  const stored = { identity: { generation: 1, nonce }, flags: 1, reset: false, lifeMs: 30_000 };
  const flow = remote === null ? null : stored;
  return { kind: 'created', entry: { inside, outside: proposal!, binding: stored, flow } };
}

export const CORE_MUTANTS: readonly Mutant[] = [
  {
    name: 'idle-time-of-its-own',
    what: 'a timer trusts its own idle time: what idles here is ended everywhere',
    newTamper: () => ({
      ...honest,
      call(call) {
        if (call.operation !== 'close') return call;
        const requests = (call.requests as StoreCall<'close'>['requests']).map((request) => ({
          ...request,
          reason: 'cancel' as const,
        }));
        return { ...call, requests };
      },
    }),
  },
  { name: 'ages-unchanged', what: 'ages are sent again as they were', newTamper: agesUnchanged },
  {
    name: 'no-remembered',
    what: 'a no is good for a minute',
    newTamper: noRemembered,
    badDays: {
      faults: ['asymmetricPaths', 'remoteHostCrash'],
      traffic: { reuseShare: 0.95, remoteHosts: 1, insideHosts: 2 },
    },
  },
  {
    name: 'freshness-ignored',
    what: 'a cached entry is used however long ago it was confirmed',
    coreConfig: (config) => ({ ...config, cacheLeaseMs: config.cacheLeaseMs * 1e6 }),
    // And the feed, which would say what became of it, is not read.
    newTamper: () => ({
      ...honest,
      call: (call) => (call.operation === 'feed' ? { id: call.id, results: null } : call),
    }),
  },
  {
    name: 'forward-before-commit',
    what: 'packets leave before the store acknowledged their flow',
    newTamper: forwardBeforeCommit,
  },
  {
    name: 'never-reports',
    what: 'touches are taken for merged and not sent',
    newTamper: (config) => ({
      ...honest,
      call(call) {
        if (call.operation !== 'touch') return call;
        const results = (call.requests as TouchRequest[]).map(({ identity, seen }) => ({
          kind: 'merged',
          flow: { identity, flags: seen.flags, reset: false, lifeMs: 4 * config.timeouts.udpMs },
        }));
        return { id: call.id, results: results as unknown as Results };
      },
    }),
  },
  {
    name: 'answers-mixed-up',
    what: 'the results of a call are handed to the wrong askers',
    newTamper: () => ({
      ...honest,
      reply(call, reply) {
        if (reply.results === null || call.operation !== 'find') return reply;
        const [first, ...others] = reply.results;
        return { id: reply.id, results: [...others, first!] };
      },
    }),
  },
  {
    name: 'goes-by-one',
    what: 'what is published is not gone by until it holds, and then at once',
    goesByOne: true,
    badDays: { faults: ['configReload', 'configReload'], traffic: { edgeShare: 0.5 } },
  },
  {
    name: 'clock-without-suspend',
    what: 'the gateway’s clock stands still while its machine is suspended',
    clockStops: true,
  },
];
