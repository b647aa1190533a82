/** What the conformance suite needs of a store under test, beside the contract. */
import {
  CLUSTER_DEFAULTS,
  type ClusterConfig,
  type Endpoint,
  type SocketAddress,
} from '@flowstore/flow';
import type { FlowStore } from '../contract.ts';

export interface Harness {
  readonly store: FlowStore;
  /** Another client of the same data, for a configuration (and a layout of records, of which it
   * writes none) of its own if one is given. */
  connect(config?: ClusterConfig, layout?: number): Promise<FlowStore>;
  /** Moves the store's time on. Between two calls it stands still. */
  advance(ms: number): Promise<void>;
  /** Makes an entry vanish without trace, as a failover that lost writes would; its port's row
   * stays behind, and nothing leads to it. */
  loseEntry(inside: Endpoint): Promise<void>;
  /** The same for the whole block of an outside endpoint: bindings, marks and lease. What led to
   * the bindings stays behind. */
  loseBlock(protocol: number, outside: SocketAddress): Promise<void>;
  /** Lets the TTL of the block come, as when no reaper was there in time. */
  expireBlock(protocol: number, outside: SocketAddress): Promise<void>;
  /** Lets another server take over with the same data. */
  changeServer(): Promise<void>;
  /** What is stored of flows, ports and leases: none once everything idled and was swept. */
  leftovers(): Promise<number>;
  /** After each test: looks over what the test left, and clears it away. */
  end(): Promise<void>;
}

export const CONFORMANCE_CONFIG: ClusterConfig = {
  ...CLUSTER_DEFAULTS,
  pool: ['203.0.113.0/28'],
  insidePrefixes: ['198.18.0.0/15'],
  flowsPerEndpointMax: 4,
  // So that they are counted, in every test.
  bindingsPerSubscriberMax: 100,
};
