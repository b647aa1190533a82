/** What a gateway's machine is made of, and what a mutant may put into it. */
import type { ClusterConfig } from '@flowstore/flow';
import type { GatewayLimits, Policies, StoreCall, StoreReply } from '@flowstore/gateway-core';
import type { Log } from '../log.ts';
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';
import type { Network } from './network.ts';
import type { PeerLinks } from './peer-links.ts';
import type { ConfigFile } from './policy.ts';
import type { StoreLink } from './store-link.ts';
import type { StoreSite } from './store-site.ts';
import type { Witness } from './witness.ts';

/** What a mutant may put between a core and its store. */
export interface CoreTamper {
  call(call: StoreCall, nowMs: number): StoreCall | StoreReply;
  reply(call: StoreCall, reply: StoreReply, nowMs: number): StoreReply;
}

export interface BoxOptions {
  readonly index: number;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly log: Log;
  /** What a gateway is started with. */
  readonly file: ConfigFile;
  /** What a core makes of a configuration: a mutant's may make something else. */
  readonly coreConfig: (config: ClusterConfig) => ClusterConfig;
  readonly goesByOne: boolean;
  readonly limits: GatewayLimits;
  readonly policies: Policies;
  /** How often a gateway looks at its timers. */
  readonly tickMs: number;
  readonly link: StoreLink;
  readonly site: StoreSite;
  readonly network: Network;
  readonly peers: PeerLinks;
  readonly witness: Witness;
  readonly newTamper: () => CoreTamper | null;
  /** Whether the clock counts suspended time: it must. */
  readonly clockStops: boolean;
}
