/**
 * A gateway: the packet thread, the store behind it, its seat in the deployment, and the HTTP side.
 *
 * ```
 *   inside wire  <-> packet thread (table, wheel, NAT) <-> outside wire
 *                        | calls     ^ replies
 *                        v           |
 *                    main thread: flow store, membership, /metrics, /healthz, /readyz, log
 * ```
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connectRedisStore, type FlowStore, type Release } from '@flowstore/flow-store';
import { DEFAULT_LIMITS, type OutageState, type Policies } from '@flowstore/gateway-core';
import { type Logger, LogLimit, type Running } from '@flowstore/service';
import type { GatewayConfig } from './config.ts';
import { settleIn } from './home.ts';
import { HttpSide } from './http-side.ts';
import { LinkWatch } from './link-watch.ts';
import { Membership } from './membership.ts';
import { Peers } from './peers.ts';
import { SessionLogging } from './session-logging.ts';
import { ThreadClient } from './thread-client.ts';

const LOG_EVERY_MS = 10_000;
const FINISH_TIMEOUT_MS = 5_000;

export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly version: string;
  readonly log: Logger;
  /** Called once if the gateway can't go on. */
  readonly onFatal: (error: Error) => void;
  /** Of tests: another release than this one. */
  readonly release?: Release;
}

/** Rejects with StoreUnavailable, ConfigError, NotAtHomeError, PacketIoError or HttpListenError. */
export async function startGateway(given: GatewayParts): Promise<Running & { url: string }> {
  const { log, release } = given;
  const config = settleIn(given.config);
  const parts = { ...given, config };
  warnAboutForwarding(log);
  const limit = new LogLimit({ log, everyMs: LOG_EVERY_MS, nowMs: () => performance.now() });
  let storeIsUp = true;
  const store = await connectRedisStore({
    ...config.redis,
    ...(release && { release }),
    config: config.cluster,
    onState: (state, reason) => {
      storeIsUp = state === 'up';
      log[state === 'up' ? 'info' : 'warn']({ reason }, `store ${state}`);
    },
  });
  const undo: (() => Promise<unknown>)[] = [() => store.end()];
  try {
    const incarnation = randomBytes(8).toString('hex');
    const counterStart = BigInt(Date.now()) * 1_000n;
    const peers = await Peers.open({ config, incarnation, log, counterStart });
    undo.unshift(() => peers.close());
    const links = watchLinks(parts);
    const http = await HttpSide.start(config.http, parts.version, () => storeIsUp, links);
    undo.unshift(() => http.close());
    const addresses = { controlUrl: http.url, peerAddress: peers.address };
    const member = { name: config.name, incarnation, ...addresses };
    const membership = new Membership(store, member, log);
    membership.onMembers = (members) => peers.setMembers(members);
    await membership.join();
    undo.unshift(() => membership.leave());
    const sessions = new SessionLogging(config, store, limit);
    undo.unshift(() => sessions.close());
    const thread = await startThread(parts, store, incarnation, limit, peers, sessions);
    undo.unshift(() => thread.finish(FINISH_TIMEOUT_MS));
    membership.onGoBy = (to) => thread.goBy(to);
    await thread.goBy(membership.goingBy);
    peers.serve(thread);
    const sources = {
      peers: () => peers.counters,
      storeStats: () => store.stats,
      sessionLog: () => sessions.counters,
    };
    http.serve(thread, membership, sources);
    log.info({ url: http.url, incarnation, ...config.devices }, 'forwarding');
    return { log, url: http.url, stop: () => stop(undo, http, log) };
  } catch (error) {
    for (const step of undo) await step().catch(() => {});
    throw error;
  }
}

async function stop(undo: (() => Promise<unknown>)[], http: HttpSide, log: Logger): Promise<void> {
  http.stopping = true;
  for (const step of undo) {
    await step().catch((error) => log.warn({ err: error.message }, 'while stopping'));
  }
}

/** What is wrong with the links now; one that was taken away ends the gateway. */
function watchLinks({ config, log, onFatal }: GatewayParts): () => string[] {
  const watch = new LinkWatch(config.devices);
  return () => {
    const { reasons, gone } = watch.look();
    if (gone) {
      const error = new Error(reasons.join(', '));
      log.fatal({ err: error.message }, 'nothing can be forwarded any more');
      onFatal(error);
    }
    return reasons;
  };
}

function startThread(
  { config, log, onFatal }: GatewayParts,
  store: FlowStore,
  incarnation: string,
  limit: LogLimit,
  peers: Peers,
  sessions: SessionLogging,
): Promise<ThreadClient> {
  const { devices, policies } = config;
  const cluster = store.config;
  const limits = { ...DEFAULT_LIMITS, ...config.limits };
  return ThreadClient.start({ devices, cluster, limits, policies, incarnation }, store, {
    onStoreReply: (call, reply) => sessions.observe(call, reply),
    onStoreError: (error) => limit.warn({ err: (error as Error).message }, 'store call failed'),
    onHighWater: (flows) => {
      const { flowsHighWater, flowsMax } = limits;
      log.warn(
        { flows, flowsHighWater, flowsMax },
        'over the high-water mark: purging stale flows',
      );
    },
    onPeerMessage: (envelope) => peers.send(envelope),
    onOutage: (state) => logOutage(state, policies, log),
    onDeath: (error) => {
      log.fatal({ err: error }, 'the packet thread died');
      onFatal(error);
    },
  });
}

function logOutage(state: OutageState, { onPartition }: Policies, log: Logger): void {
  if (state === 'reached') log.info('the store answers again');
  else if (state === 'everybodys') {
    log.warn('no gateway reaches the store: known flows go on for as long as it lasts');
  } else if (onPartition === 'forward') {
    log.warn('others may reach the store: going on all the same, flows may be mistranslated');
  } else log.warn('others may reach the store: known flows stop at the end of the cache lease');
}

/** Two NATs on one box translate twice: the kernel must not forward what we forward. */
function warnAboutForwarding(log: Logger): void {
  try {
    if (readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() !== '0') {
      log.warn('net.ipv4.ip_forward is on: the kernel forwards packets beside this gateway');
    }
  } catch {
    // No such file, no such kernel.
  }
}
