/** Scripts that leave something out. */
import type { Endpoint, Identity, SocketAddress } from '@flowstore/flow';
import { type ModelData, remoteKey } from '@flowstore/flow-store/testing';
import { type StoredEntry, storedEntry } from '../checkers/truth.ts';
import type { Mutant } from '../mutants.ts';
import type { Execute, Server } from '../world/store-site.ts';

interface Named {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
}

/** The identity that is stored under the request's key, whatever the request meant. */
function storedIdentity(data: ModelData, { inside, remote }: Named): Identity | null {
  const entry = storedEntry(data, inside);
  if (entry === undefined) return null;
  const record = entry.flows.size > 0 && remote !== null ? flowTo(entry, remote) : entry.binding;
  return record === undefined ? null : { generation: record.generation, nonce: record.nonce };
}

function flowTo(entry: StoredEntry, remote: SocketAddress) {
  return entry.flows.get(remoteKey(remote));
}

/** `operation` takes whatever is stored for what was meant. */
function withoutIdentity(operation: string, field: 'identity' | 'replaces'): () => Execute {
  return () => (server, running, request, run) => {
    if (running !== operation) return run(request);
    const identity = storedIdentity(server.model.data, request as Named);
    return run(identity === null ? request : { ...(request as object), [field]: identity });
  };
}

/** Ends whatever is older than a whole life, touched or not. */
function cancelOld({ model }: Server, shard: number): void {
  const { timeouts, slack } = model.config;
  const lifeMs = timeouts.udpMs * (4 / 3) + slack.outageMs + slack.clockSkewMs;
  for (const { inside, binding } of [...model.data.shards[shard]!.entries.values()]) {
    const ageMs = model.data.shards[shard]!.timeMs(0) - binding.generation / 1_000;
    if (ageMs < lifeMs) continue;
    const { generation, nonce } = binding;
    model.close([{ inside, remote: null, identity: { generation, nonce }, reason: 'cancel' }]);
  }
}

export const STORE_MUTANTS: readonly Mutant[] = [
  {
    name: 'close-without-identity',
    what: 'a close ends whatever is stored under its key',
    newExecute: withoutIdentity('close', 'identity'),
    badDays: {
      faults: ['callsLate', 'scriptsTwice', 'operatorCancels', 'operatorCancels'],
      traffic: { reuseShare: 0.95, edgeShare: 0.5, insideHosts: 2, remoteHosts: 1 },
    },
  },
  {
    name: 'touch-without-identity',
    what: 'a touch refreshes whatever is stored under its key',
    newExecute: withoutIdentity('touch', 'identity'),
    badDays: {
      faults: ['scriptsTwice', 'callsLate'],
      traffic: { reuseShare: 0.9, edgeShare: 0.4 },
    },
  },
  {
    name: 'replace-without-identity',
    what: 'an opening takes the place of whatever flow is stored, living or not',
    newExecute: withoutIdentity('open', 'replaces'),
  },
  {
    name: 'counts-nothing',
    what: 'a subscriber is said to have no bindings',
    newExecute: () => (_server, running, request, run) =>
      running === 'count' ? { kind: 'counted', bindings: 0 } : run(request),
  },
  {
    name: 'quarantine-skipped',
    what: 'a freed port may be taken by anybody at once',
    serverConfig: (config) => ({
      ...config,
      quarantineMs: 0,
      slack: { ...config.slack, clockSkewMs: 0 },
    }),
  },
  {
    name: 'minReplicasIgnored',
    what: 'a master that was replaced answers heartbeats and renewals as before',
    serverConfig: (config) => ({ ...config, minReplicas: 0 }),
    badDays: { faults: ['isolatedOldMaster', 'operatorCancels'] },
  },
  {
    name: 'lease-without-expiry',
    what: 'what a dead gateway leased is never free again',
    serverConfig: (config) => ({ ...config, leaseMs: config.leaseMs * 1e6 }),
  },
  {
    name: 'sweep-ignores-touches',
    what: 'the sweep ends what is old, though it was touched since',
    newExecute: () => (server, operation, request, run) => {
      if (operation === 'sweep') cancelOld(server, request as number);
      return run(request);
    },
  },
  {
    name: 'sweep-never',
    what: 'the reaper runs, and frees nothing',
    newExecute: () => (_server, operation, request, run) =>
      operation === 'sweep' ? undefined : run(request),
  },
  {
    name: 'slack-left-out',
    what: 'the deadline is the timeout alone: nothing for what gateways hold back',
    newExecute: () => {
      const age = (ms: number | null, moreMs: number) => (ms === null ? null : ms + moreMs);
      return ({ model }, operation, request, run) => {
        if (operation !== 'touch' && operation !== 'open') return run(request);
        const { slack, timeouts } = model.config;
        const moreMs = slack.outageMs + slack.clockSkewMs + timeouts.icmpMs / 3;
        const { seen } = request as { seen: { ageMs: number | null } };
        return run({ ...(request as object), seen: { ...seen, ageMs: age(seen.ageMs, moreMs) } });
      };
    },
  },
];
