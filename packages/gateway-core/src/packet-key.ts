/**
 * The key by which a packet's row is found (FlowKey's four words). A row is as wide as the store's
 * record: for UDP and ICMP queries the remote endpoint is 0.0.0.0:0.
 */
import { hasFlowPerRemote, OUTSIDE_DOMAIN } from '@flowstore/flow';
import type { Packet } from '@flowstore/nat';
import { Side } from './frame.ts';

export const KEY_WORDS = 4;

/** Writes the words at `at`; allocates nothing. */
export function writeKey(
  side: Side,
  packet: Packet,
  domain: number,
  words: Int32Array,
  at: number,
): void {
  const { protocol, source, sourcePort, destination, destinationPort } = packet;
  const perRemote = hasFlowPerRemote(protocol);
  if (side === Side.Inside) {
    words[at] = (domain << 8) | protocol;
    words[at + 1] = source;
    words[at + 2] = perRemote ? destination : 0;
    words[at + 3] = (sourcePort << 16) | (perRemote ? destinationPort : 0);
  } else {
    words[at] = (OUTSIDE_DOMAIN << 8) | protocol;
    words[at + 1] = perRemote ? source : 0;
    words[at + 2] = destination;
    words[at + 3] = ((perRemote ? sourcePort : 0) << 16) | destinationPort;
  }
}
