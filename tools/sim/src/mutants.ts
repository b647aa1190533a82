/**
 * Deliberately broken variants, one per rule of the protocol: a simulator that does not catch them
 * proves nothing. They are wrapped around the code under test, which knows nothing of them: what
 * the servers execute, what a core sends and hears, what it is configured with.
 */
import type { ClusterConfig } from '@flowstore/flow';
import type { GatewayLimits, Policies } from '@flowstore/gateway-core';
import { CORE_MUTANTS } from './mutants/core-mutants.ts';
import { FEED_MUTANTS } from './mutants/feed-mutants.ts';
import { GRACE_MUTANTS } from './mutants/grace-mutants.ts';
import { OUTAGE_MUTANTS } from './mutants/outage-mutants.ts';
import { STORE_MUTANTS } from './mutants/store-mutants.ts';
import type { BadDays } from './plan.ts';
import type { CoreTamper } from './world/box-options.ts';
import type { PeerTamper } from './world/peer-links.ts';
import type { Execute } from './world/store-site.ts';

export interface Mutant {
  readonly name: string;
  readonly what: string;
  readonly serverConfig?: (config: ClusterConfig) => ClusterConfig;
  /** Of a configuration that is next nothing is gone by until it holds. */
  readonly goesByOne?: boolean;
  readonly coreConfig?: (config: ClusterConfig) => ClusterConfig;
  /** For one world; what it remembers is forgotten with it. */
  readonly newExecute?: () => Execute;
  /** For one life of a gateway. */
  readonly newTamper?: (config: ClusterConfig) => CoreTamper;
  /** The gateways' clocks stand still while their machines are suspended. */
  readonly clockStops?: boolean;
  /** What shows it: its plans have more of that. Without, any day may. */
  readonly badDays?: BadDays;
  readonly limits?: Partial<GatewayLimits>;
  readonly policies?: Policies;
  /** What becomes of messages between gateways. */
  readonly peerTamper?: PeerTamper;
}

export const HONEST: Mutant = { name: 'honest', what: 'nothing is broken' };

export const MUTANTS: readonly Mutant[] = [
  ...STORE_MUTANTS,
  ...CORE_MUTANTS,
  ...FEED_MUTANTS,
  ...GRACE_MUTANTS,
  ...OUTAGE_MUTANTS,
];

export function mutantNamed(name: string): Mutant | undefined {
  return MUTANTS.find((mutant) => mutant.name === name);
}
