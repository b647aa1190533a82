/**
 * Flows that a gateway opened without the store: they are translated by an outside endpoint that
 * the store has given to nobody. That is promised while the gateway is in trouble with the store,
 * and as long after as it takes to tell it; and an endpoint that others had is taken only when
 * their quarantine is over. That no two use one within a quarantine is seen by the hosts, who tell
 * what was not meant for them (deliveries.ts).
 */
import type { ClusterConfig } from '@flowstore/flow';
import { endpointKey, remoteKey } from '../keys.ts';
import { type Header, type Tag, TCP } from '../packet.ts';
import type { Life } from '../world/life.ts';
import { Sightings } from './sightings.ts';
import type { BindingTruth, FlowTruth } from './truth.ts';

/** To tell the store takes a call or two, and calls that got lost keep others waiting. */
const TELL_MS = 9_000;

export class ProvisionalChecker {
  readonly #config: ClusterConfig;
  readonly #nowMs: () => number;
  readonly #sightings = new Map<string, Sightings>();

  constructor(config: ClusterConfig, nowMs: () => number) {
    this.#config = config;
    this.#nowMs = nowMs;
  }

  /** Whether the packet may be a provisional flow's; `holder` had its outside endpoint last. */
  isOne(
    outbound: boolean,
    header: Header,
    tag: Tag,
    holder: BindingTruth | undefined,
    life: Life,
  ): boolean {
    const nowMs = this.#nowMs();
    if (holder !== undefined && holder.endedMs === null) return false;
    const freeMs = (holder?.endedMs ?? Number.NEGATIVE_INFINITY) + this.#config.quarantineMs;
    if (nowMs < freeMs || life.troubledMs(nowMs - TELL_MS, nowMs) === 0) return false;
    return !outbound || header.destination === tag.remote;
  }

  see(life: Life, outbound: boolean, header: Header, tag: Tag): void {
    const { inside, insidePort, remote, remotePort } = tag;
    const { protocol } = header;
    const to = protocol === TCP ? remoteKey(remote, remotePort) : 0;
    const key = `${endpointKey(protocol, inside, insidePort)} ${to}`;
    const sightings = this.#sightings.get(key) ?? new Sightings(protocol);
    this.#sightings.set(key, sightings);
    sightings.see(life, outbound, header.control, this.#config, this.#nowMs());
  }

  /** The store was told of a flow: what was seen of it before counts. */
  told({ binding, remote, remotePort, sightings }: FlowTruth): void {
    const { protocol, inside, insidePort } = binding;
    const to = protocol === TCP ? remoteKey(remote, remotePort) : 0;
    const key = `${endpointKey(protocol, inside, insidePort)} ${to}`;
    const before = this.#sightings.get(key);
    this.#sightings.delete(key);
    // Longer ago, it was another connection's.
    const sinceMs = this.#nowMs() - this.#config.timeouts.tcpTransitoryMs;
    if (before !== undefined && before.lastSeenMs >= sinceMs) sightings.takeOver(before);
  }
}
