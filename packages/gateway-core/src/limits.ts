/** Every queue, buffer and batch of a gateway-core has its limit here; each has a counter. */
import type { OutboxLimits } from './store-outbox.ts';

export interface GatewayLimits extends OutboxLimits {
  /** Flows in the local table. */
  readonly flowsMax: number;
  /** Above so many flows the table purges stale ones, and the gateway says so. */
  readonly flowsHighWater: number;
  /** A table of fewer flows is taken to be in the CPU's cache: packets are not looked up ahead. */
  readonly prefetchFlowsMin: number;
  /** Keys that the store is being asked about at once. */
  readonly questionsMax: number;
  /** Of those, the ones for new flows, half at most: the rest is for flows that may exist. */
  readonly openingsMax: number;
  /** Blocks of ports whose flows are asked for at once, as they are likely to come next. */
  readonly listsInFlightMax: number;
  /** Blocks that were asked about lately, or wait for it; a further one is not. */
  readonly listedBlocksMax: number;
  /** The same block is not asked about again for so long. */
  readonly listAgainMs: number;
  /** Packets that wait for one key's answer. */
  readonly heldPerQuestionMax: number;
  /** Bytes of packets that wait for answers, in all. */
  readonly heldBytesMax: number;
  /** Of those, the ones that begin new flows, half at most. */
  readonly openingBytesMax: number;
  /** Fragmented datagrams whose translation is known here. */
  readonly datagramsMax: number;
  /** Fragmented datagrams that the store is told of, or asked about, per second. */
  readonly datagramsPerSMax: number;
  /** Fragments that wait for the first of their datagram. */
  readonly fragmentsPerDatagramMax: number;
  /** Bytes of fragments that wait, in all: half for each side. */
  readonly fragmentBytesMax: number;
  /** A datagram's fragments wait no longer than this. */
  readonly fragmentHoldMs: number;
  /** A packet waits no longer than this. */
  readonly holdMs: number;
  /** After a `no` the same key is not asked about again for so long. */
  readonly askAgainMs: number;
  /** After no answer the question is asked again this much later. */
  readonly retryMs: number;
  /** Ports that one opening may propose before it gives up. */
  readonly proposalsMax: number;
  /** Port blocks held at once. */
  readonly blocksMax: number;
  /** A range with fewer free ports than this leases another block in advance. */
  readonly freePortsLow: number;
  /** Subscribers whose openings are remembered, where the deployment limits them. */
  readonly subscribersMax: number;
  /** Bindings that a subscriber may open here before the store is asked how many it has. */
  readonly bindingsPerCountMax: number;
  /** At its limit, a subscriber's bindings are not counted again for so long. */
  readonly countAgainMs: number;
  /** Entries confirmed in the background at once, after a gap in a feed. */
  readonly reconfirmInFlightMax: number;
  /** Outside endpoints whose list of flows is looked over per tick. */
  readonly endpointsPerTickMax: number;
  /** Touches without an answer that wait to be repeated. */
  readonly touchRetriesMax: number;
  /** Due timers handled per tick. */
  readonly duePerTickMax: number;
  /** Without any answer for so long, after a call failed, new flows don't wait for the store. */
  readonly storeSilentMs: number;
  /** Peers that are asked when the store is silent; with more of them none is. */
  readonly peersMax: number;
  /** Messages to peers that wait to be taken. */
  readonly peerMessagesMax: number;
  /** Flows opened without the store that it has not been told of yet. */
  readonly provisionalMax: number;
  /** Of those, how many it is being told of at once. */
  readonly provisionalInFlightMax: number;
  /** Packets handed to peers per tick. */
  readonly handOversMax: number;
  /** A larger one is not handed over. */
  readonly handOverBytesMax: number;
  /** Blocks whose holder is remembered. */
  readonly holdersMax: number;
  /** ICMP errors of the gateway's own per second. */
  readonly ownErrorsPerSMax: number;
  /** SYNs from outside that nobody waits for, kept until their senders may be told. */
  readonly unsolicitedSynsMax: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  requestsPerCallMax: 512,
  callsInFlightMax: 4,
  requestsWaitingMax: 65_536,
  touchGatherMs: 15,
  callLostMs: 5_000,
  flowsMax: 1_000_000,
  flowsHighWater: 1_000_000,
  prefetchFlowsMin: 16_384,
  questionsMax: 65_536,
  openingsMax: 16_384,
  listsInFlightMax: 32,
  listedBlocksMax: 4_096,
  listAgainMs: 1_000,
  heldPerQuestionMax: 16,
  heldBytesMax: 33_554_432,
  openingBytesMax: 16_777_216,
  datagramsMax: 65_536,
  datagramsPerSMax: 16_384,
  fragmentsPerDatagramMax: 64,
  fragmentBytesMax: 16_777_216,
  fragmentHoldMs: 2_000,
  holdMs: 2_000,
  askAgainMs: 50,
  retryMs: 100,
  proposalsMax: 8,
  blocksMax: 16_384,
  freePortsLow: 4,
  subscribersMax: 65_536,
  bindingsPerCountMax: 128,
  countAgainMs: 5_000,
  reconfirmInFlightMax: 512,
  endpointsPerTickMax: 64,
  touchRetriesMax: 65_536,
  duePerTickMax: 256,
  storeSilentMs: 1_000,
  peersMax: 256,
  peerMessagesMax: 4_096,
  provisionalMax: 65_536,
  provisionalInFlightMax: 128,
  handOversMax: 64,
  handOverBytesMax: 60_000,
  holdersMax: 16_384,
  ownErrorsPerSMax: 1_000,
  unsolicitedSynsMax: 4_096,
};
