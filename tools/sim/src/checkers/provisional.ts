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
/** Clocks drift. */
const CLOCKS_MS = 1_000;
/** A request's ages are those of when it was built: it leaves within the ms. */
const LEAVES_MS = 5;

export class ProvisionalChecker {
  readonly #config: ClusterConfig;
  readonly #nowMs: () => number;
  /** By inside endpoint and peer. */
  readonly #seen = new Map<string, Seen[]>();

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
    const [outside, outsidePort] = outbound
      ? [header.source, header.sourcePort]
      : [tag.outside, tag.outsidePort];
    const of = endpointKey(protocol, outside, outsidePort);
    const key = keyOf(protocol, inside, insidePort, remote, remotePort);
    const seen = this.#seen.get(key) ?? [];
    this.#seen.set(key, seen);
    let one = seen.find(({ outside }) => outside === of);
    if (one === undefined) {
      one = { outside: of, sightings: new Sightings(protocol) };
      seen.push(one);
    }
    one.sightings.see(life, outbound, header.control, this.#config, this.#nowMs());
  }

  /** The store was told of a flow: what was seen of it under its outside endpoint counts. */
  told(flow: FlowTruth): void {
    const { protocol, outside, outsidePort } = flow.binding;
    const of = endpointKey(protocol, outside, outsidePort);
    this.#take(flow, (one) => one.outside === of);
  }

  /** Told by this life, as seen at `seenMs`; it may have used another outside endpoint until then.
   * What it saw under that one later is another connection's, whose peer will not know this one. */
  merged(flow: FlowTruth, life: Life, seenMs: number): void {
    this.#take(flow, ({ sightings }) => sightings.knows(life), seenMs + LEAVES_MS);
  }

  #take(
    { binding, remote, remotePort, sightings }: FlowTruth,
    isIts: (one: Seen) => boolean,
    toldMs = Number.POSITIVE_INFINITY,
  ): void {
    const { protocol, inside, insidePort } = binding;
    const key = keyOf(protocol, inside, insidePort, remote, remotePort);
    const seen = this.#seen.get(key);
    if (seen === undefined) return;
    this.#seen.set(
      key,
      seen.filter((one) => !isIts(one)),
    );
    // Longer ago, what is merged was another connection's, unless it is what is told.
    const isMerged = protocol === TCP && toldMs !== Number.POSITIVE_INFINITY;
    const recentMs = this.#nowMs() - this.#config.timeouts.tcpTransitoryMs;
    const sinceMs = isMerged ? Math.min(recentMs, toldMs - CLOCKS_MS) : 0;
    for (const one of seen.filter(isIts)) {
      if (one.sightings.lastSeenMs >= sinceMs) sightings.takeOver(one.sightings, toldMs);
    }
  }
}

interface Seen {
  /** The key of the outside endpoint that was used. */
  readonly outside: number;
  readonly sightings: Sightings;
}

function keyOf(protocol: number, inside: number, port: number, remote: number, to: number): string {
  return `${endpointKey(protocol, inside, port)} ${protocol === TCP ? remoteKey(remote, to) : 0}`;
}
