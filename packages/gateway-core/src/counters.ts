/**
 * What a gateway-core counts. Plain numbers that only grow; the names are those of the metrics, in
 * snake case and with `flowstore_` in front.
 */
import { Malformed } from '@flowstore/nat';

export class GatewayCounters {
  packetsOut = 0;
  packetsIn = 0;
  bytesOut = 0;
  bytesIn = 0;
  /** ICMP errors that were translated by the flow that they are about. */
  icmpErrorsOut = 0;
  icmpErrorsIn = 0;
  /** ICMP errors made here; not made because of the limit; packets split for a small link. */
  ownErrorsSent = 0;
  ownErrorsWithheld = 0;
  packetsSplit = 0;
  /** SYNs that nobody waits for, beyond the limit: their senders are not told. */
  unsolicitedSynsForgotten = 0;
  /** Packets from inside to an outside endpoint of the inside: counted as out and as in, too. */
  packetsHairpinned = 0;
  /** Fragments but first ones, translated: counted as packets out and in, too. */
  fragmentsOut = 0;
  fragmentsIn = 0;
  /** Fragments copied to wait; datagrams that the store was asked about, and told of. */
  fragmentsHeld = 0;
  datagramsAsked = 0;
  datagramsTold = 0;
  /** Datagrams that made room for others: to be asked about again. */
  datagramsForgotten = 0;
  /** Packets translated by a port forward or a one-to-one rule, and not at all, as a rule says. */
  packetsByRule = 0;
  packetsPassed = 0;
  /** Packets copied to wait for the store's answer. */
  packetsHeld = 0;

  /** Packets dropped, by reason. Those of the parser are in `malformed`. */
  dropNotInside = 0;
  dropNotPool = 0;
  dropWellKnownPort = 0;
  dropNoBinding = 0;
  /** From outside, of whom nothing was asked: address- or port-dependent filtering. */
  dropFiltered = 0;
  dropTooBig = 0;
  dropNoFlow = 0;
  dropHoldFull = 0;
  dropHoldTimeout = 0;
  dropQuestionsFull = 0;
  dropOpeningsFull = 0;
  dropOpeningBytesFull = 0;
  dropPortsExhausted = 0;
  dropFlowLimit = 0;
  dropTableFull = 0;
  /** Handed to us by a peer, and not ours. */
  dropHandedOver = 0;
  dropSubscriberLimit = 0;
  dropSubscriberRate = 0;
  /** Fragments: no room to wait; the first did not come; too many datagrams in that second. */
  dropFragmentsFull = 0;
  dropFragmentTimeout = 0;
  dropDatagramRate = 0;

  /** Indexed by Malformed. */
  readonly malformed = new Float64Array(Object.keys(Malformed).length);

  questionsAsked = 0;
  /** Flows and bindings that another gateway (or an earlier life) had opened. */
  foundInStore = 0;
  notInStore = 0;
  /** Blocks whose flows were asked for ahead, and not for want of room; flows that this brought. */
  blocksListed = 0;
  listsSkipped = 0;
  flowsForeseen = 0;
  flowsOpened = 0;
  flowsJoined = 0;
  portsRefused = 0;
  /** Bindings on single ports that the store chose: no block was to be had (scarce ports). */
  portsChosenByStore = 0;
  touchesSent = 0;
  touchesMerged = 0;
  touchesStale = 0;
  /** Touches without an answer that found no room to be repeated: the next packet does it. */
  touchRetriesDropped = 0;
  timersFired = 0;
  timersSleptAgain = 0;
  /** Questions whether a flow may end, which the last one to report it asks. */
  closesAsked = 0;
  flowsClosed = 0;
  flowsForgotten = 0;
  /** Flows that the rules of a new configuration left no place for. */
  flowsCancelled = 0;
  resetsSent = 0;
  feedEvents = 0;
  /** Times that a feed did not have what was heard last. */
  feedGaps = 0;
  /** Entries dropped because an event said so. */
  flowsVoided = 0;
  /** Entries confirmed in the background after a gap. */
  reconfirmed = 0;
  /** Answers that the store may not know yet: its shard is in grace. */
  notYet = 0;
  /** Flows that the store had lost, put back; and those that could not be. */
  flowsRestored = 0;
  flowsLost = 0;
  /** Times that a subscriber's bindings were counted; subscribers forgotten for want of room. */
  subscribersCounted = 0;
  subscribersForgotten = 0;
  blocksLeased = 0;
  blocksLost = 0;
  blocksReleased = 0;
  /** Leases that were not asked for because blocksMax are held. */
  leasesRefused = 0;
  /** Times that the store was away for everybody, and for this gateway but perhaps not for all. */
  outagesOfEverybody = 0;
  partitions = 0;
  /** Questions sent to peers, and messages to them that found no room. */
  peersAsked = 0;
  peerMessagesDropped = 0;
  /** Packets handed to the peers and by them; not handed over: too large or too many. */
  handOversSent = 0;
  handOversReceived = 0;
  handOversDropped = 0;
  /** Flows opened without the store; refused at the limit; told to the store later and kept; lost
   * to what was stored by then. */
  provisionalOpened = 0;
  provisionalRefused = 0;
  provisionalKept = 0;
  provisionalLost = 0;
}
