/**
 * The key by which a packet's row is found (FlowKey's four words). A row is as wide as the store's
 * record: where that is the binding, the remote endpoint is 0.0.0.0:0.
 */
import { type FlowWidths, OUTSIDE_DOMAIN, Width } from '@flowstore/flow';
import type { Packet } from '@flowstore/nat';
import { Side } from './frame.ts';

export const KEY_WORDS = 4;

/** Writes the words at `at`; allocates nothing. */
export function writeKey(
  side: Side,
  packet: Packet,
  widths: FlowWidths,
  words: Int32Array,
  at: number,
): void {
  const { domain, protocol, source, sourcePort, destination, destinationPort } = packet;
  const width = widths.of(protocol);
  const byAddress = width !== Width.Binding;
  const byPort = width === Width.Endpoint;
  if (side === Side.Inside) {
    words[at] = (domain << 8) | protocol;
    words[at + 1] = source;
    words[at + 2] = byAddress ? destination : 0;
    words[at + 3] = (sourcePort << 16) | (byPort ? destinationPort : 0);
  } else {
    words[at] = (OUTSIDE_DOMAIN << 8) | protocol;
    words[at + 1] = byAddress ? source : 0;
    words[at + 2] = destination;
    words[at + 3] = ((byPort ? sourcePort : 0) << 16) | destinationPort;
  }
}
