/** An endpoint's entry in the model, and what is derived from it: deadlines and answers. */
import {
  addressEquals,
  type BindingRecord,
  type ClusterConfig,
  deadlineMs,
  type Endpoint,
  FLAGS_MASK,
  type FlowRecord,
  type FlowState,
  hasFlowPerRemote,
  type Identity,
  identityEquals,
  NEVER,
  Phase,
  packEndpoint,
  packSocketAddress,
  type SocketAddress,
  socketAddressEquals,
  TCP,
  tcpPhase,
  unpackSocketAddress,
} from '@flowstore/flow';
import type * as contract from '../contract.ts';
import { wholeAgeMs } from '../validate.ts';

export interface Entry {
  readonly inside: Endpoint;
  /** For TCP its state stays empty: the flows have their own. */
  binding: BindingRecord;
  /** By remote endpoint; empty unless the protocol has a flow per remote endpoint. */
  readonly flows: Map<string, FlowRecord>;
}

export function entryKey(inside: Endpoint): string {
  return keyOf(packEndpoint(inside));
}

export function remoteKey(remote: SocketAddress): string {
  return keyOf(packSocketAddress(remote));
}

function remoteOfKey(key: string): SocketAddress {
  return unpackSocketAddress(Uint8Array.from(key, (one) => one.charCodeAt(0)));
}

/** A character per byte. */
function keyOf(packed: Uint8Array): string {
  let key = '';
  for (let i = 0; i < packed.length; i++) key += String.fromCharCode(packed[i]!);
  return key;
}

/** Ages become instants of the shard's clock. */
export function stateOf({ flags, ageMs, rstAgeMs }: contract.Sighting, nowMs: number): FlowState {
  const instantMs = (ageMs: number | null) =>
    ageMs === null ? NEVER : Math.max(NEVER + 1, nowMs - wholeAgeMs(ageMs));
  return { flags: flags & FLAGS_MASK, seenMs: instantMs(ageMs), rstMs: instantMs(rstAgeMs) };
}

export function flowDeadlineMs(entry: Entry, flow: FlowState, config: ClusterConfig): number {
  return deadlineMs(config.timeouts, config.slack, entry.inside.protocol, flow);
}

export function deleteDeadFlows(entry: Entry, config: ClusterConfig, nowMs: number): void {
  for (const [remote, flow] of [...entry.flows]) {
    if (flowDeadlineMs(entry, flow, config) <= nowMs) entry.flows.delete(remote);
  }
}

/** A binding lives as long as its longest flow. */
export function entryDeadlineMs(entry: Entry, config: ClusterConfig): number {
  return Math.max(0, ...deadlines(entry, config));
}

/** When a sweep has something to do with it at the earliest. */
export function firstDeadlineMs(entry: Entry, config: ClusterConfig): number {
  return Math.min(...deadlines(entry, config));
}

function deadlines(entry: Entry, config: ClusterConfig): number[] {
  const states = hasFlowPerRemote(config.filtering, entry.inside.protocol)
    ? [...entry.flows.values()]
    : [entry.binding];
  return states.map((state) => flowDeadlineMs(entry, state, config));
}

/** Of a remote endpoint of TCP with port 0: the one of the address whose flow lives longest. */
export function remoteMeant(
  entry: Entry,
  remote: SocketAddress | null,
  config: ClusterConfig,
): SocketAddress | null {
  if (remote === null || remote.port !== 0 || entry.inside.protocol !== TCP) return remote;
  const lives = [...entry.flows].map(([key, flow]) => ({
    remote: remoteOfKey(key),
    untilMs: flowDeadlineMs(entry, flow, config),
  }));
  const ofAddress = lives.filter((one) => addressEquals(one.remote.address, remote.address));
  return ofAddress.sort((a, b) => b.untilMs - a.untilMs)[0]?.remote ?? remote;
}

export function storedFlow(
  entry: Entry,
  record: FlowRecord,
  config: ClusterConfig,
  nowMs: number,
): contract.StoredFlow {
  return stored(record, flowDeadlineMs(entry, record, config), nowMs);
}

/** The binding, with the life of its longest flow. */
export function storedWhole(
  entry: Entry,
  config: ClusterConfig,
  nowMs: number,
): contract.StoredFlow {
  return stored(entry.binding, entryDeadlineMs(entry, config), nowMs);
}

/** Where the remote endpoint has a live flow, the binding's life is given as that flow's: Redis
 * need not read the others then. */
export function storedEntry(
  entry: Entry,
  remote: SocketAddress | null,
  config: ClusterConfig,
  nowMs: number,
): contract.StoredEntry {
  const { inside } = entry;
  const { outside } = entry.binding;
  const record = remote === null ? undefined : entry.flows.get(remoteKey(remote));
  if (record !== undefined && flowDeadlineMs(entry, record, config) > nowMs) {
    const flow = storedFlow(entry, record, config, nowMs);
    const binding = stored(entry.binding, flowDeadlineMs(entry, record, config), nowMs);
    return { inside, outside, binding, flow };
  }
  return { inside, outside, binding: storedWhole(entry, config, nowMs), flow: null };
}

/** Of several flows the first one, if it lives: a row of Redis has no room for more. */
export function listed(entry: Entry, config: ClusterConfig, nowMs: number): contract.ListedFlow[] {
  const perRemote = hasFlowPerRemote(config.filtering, entry.inside.protocol);
  const [first] = entry.flows.keys();
  const remote = perRemote && first !== undefined ? remoteOfKey(first) : null;
  const found = storedEntry(entry, remote, config, nowMs);
  const isLive = perRemote ? found.flow !== null : entryDeadlineMs(entry, config) > nowMs;
  return isLive ? [{ remote, entry: found }] : [];
}

function stored(record: FlowRecord, untilMs: number, nowMs: number): contract.StoredFlow {
  const { generation, nonce, flags, seenMs, rstMs } = record;
  return {
    identity: { generation, nonce },
    flags,
    reset: rstMs !== NEVER && rstMs > seenMs,
    lifeMs: Math.max(1, untilMs - nowMs),
  };
}

/** Of two identities of a flow the later one: they are one connection, opened at two masters, or
 * the former one came back with older data and its end was forgotten; nothing goes on of one that
 * is over. */
export function successor(
  entry: Entry,
  former: FlowRecord,
  identity: Identity,
  config: ClusterConfig,
  nowMs: number,
): FlowRecord | undefined {
  const isOver = isClosing(former) || flowDeadlineMs(entry, former, config) <= nowMs;
  return isOver ? undefined : { ...former, ...identity };
}

/** The opening packet itself was seen, so an opening without any age was seen just now. */
export function firstState(seen: contract.Sighting, nowMs: number) {
  const unseen = seen.ageMs === null && seen.rstAgeMs === null;
  return stateOf(unseen ? { ...seen, ageMs: 0 } : seen, nowMs);
}

export function isClosing({ flags, seenMs, rstMs }: FlowState): boolean {
  return tcpPhase(flags, seenMs, rstMs) === Phase.Closing;
}

/**
 * Whether the stored binding that is to be replaced was opened in this grace by who did not know
 * that the endpoint has another one, on which a connection lives. That is kept, and what was opened
 * meanwhile is lost; but who opens the same connection anew has given up the former one, and so has
 * a socket of UDP, whose packets go the new way.
 */
export function outranks(
  { remote, outside, identity, seen, replaces = null }: contract.ReassertRequest,
  stored: Entry,
  graceSinceMs: number,
  config: ClusterConfig,
  nowMs: number,
): boolean {
  if (socketAddressEquals(stored.binding.outside, outside)) return false;
  if (remote === null || replaces === null) return false;
  if (!identityEquals(replaces, stored.binding)) return false;
  const since = graceSinceMs * 1000;
  if (identity.generation >= since || stored.binding.generation < since) return false;
  const state = firstState(seen, nowMs);
  if (stored.flows.has(remoteKey(remote)) || isClosing(state)) return false;
  return flowDeadlineMs(stored, state, config) > nowMs;
}
