/**
 * FlowKey: (domain, protocol, source address, source port, destination address, destination port),
 * one direction. A key of the inside realm carries its network's domain, a key of the outside
 * realm OUTSIDE_DOMAIN, so a flow's two directions can never be mistaken for one another.
 *
 * IPv4: four 32-bit words. IPv6: ten. The length is the family, so no two keys share a form.
 *
 * ```
 * IPv4   0: domain<<8 | protocol   1: source     2: destination     3: source port<<16 | dest. port
 * IPv6   0: domain<<8 | protocol   1-4: source   5-8: destination   9: source port<<16 | dest. port
 * ```
 */
import { IPV4_BYTES, IPV6_BYTES, type IpAddress } from './address.ts';
import { formatSocketAddress } from './endpoint.ts';
import { protocolName } from './protocol.ts';

export interface FlowKey {
  readonly domain: number;
  readonly protocol: number;
  /** Source and destination are of one family. */
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
}

export const IPV4_KEY_WORDS = 4;
export const IPV6_KEY_WORDS = 10;

/** Throws a RangeError when the addresses are of two families. */
export function packFlowKey(key: FlowKey): Uint32Array {
  const { source, destination } = key;
  if (source.length !== destination.length) {
    throw new RangeError('source and destination of a flow key are of different families');
  }
  const addressWords = source.length / 4;
  const words = new Uint32Array(2 + 2 * addressWords);
  words[0] = (key.domain << 8) | key.protocol;
  for (let i = 0; i < addressWords; i++) {
    words[1 + i] = wordAt(source, i);
    words[1 + addressWords + i] = wordAt(destination, i);
  }
  words[words.length - 1] = (key.sourcePort << 16) | key.destinationPort;
  return words;
}

/** Throws a RangeError where the length is neither form's. */
export function unpackFlowKey(words: Uint32Array): FlowKey {
  if (words.length !== IPV4_KEY_WORDS && words.length !== IPV6_KEY_WORDS) {
    throw new RangeError(`a flow key has 4 or 10 words, not ${words.length}`);
  }
  const addressWords = (words.length - 2) / 2;
  const ports = words[words.length - 1]!;
  return {
    domain: words[0]! >>> 8,
    protocol: words[0]! & 0xff,
    source: addressOf(words.subarray(1, 1 + addressWords)),
    sourcePort: ports >>> 16,
    destination: addressOf(words.subarray(1 + addressWords, 1 + 2 * addressWords)),
    destinationPort: ports & 0xffff,
  };
}

/** The same two endpoints seen the other way round: a different key unless both are equal. */
export function reverseFlowKey(key: FlowKey): FlowKey {
  return {
    domain: key.domain,
    protocol: key.protocol,
    source: key.destination,
    sourcePort: key.destinationPort,
    destination: key.source,
    destinationPort: key.sourcePort,
  };
}

/** For people: "tcp 198.18.1.10:4711 -> 198.51.100.10:80". */
export function formatFlowKey(key: FlowKey): string {
  const from = formatSocketAddress({ address: key.source, port: key.sourcePort });
  const to = formatSocketAddress({ address: key.destination, port: key.destinationPort });
  return `${protocolName(key.protocol)} ${from} -> ${to}`;
}

function wordAt(address: IpAddress, word: number): number {
  const i = word * 4;
  return (
    ((address[i]! << 24) | (address[i + 1]! << 16) | (address[i + 2]! << 8) | address[i + 3]!) >>> 0
  );
}

function addressOf(words: Uint32Array): IpAddress {
  const address = new Uint8Array(words.length === 1 ? IPV4_BYTES : IPV6_BYTES);
  const view = new DataView(address.buffer);
  for (let i = 0; i < words.length; i++) view.setUint32(i * 4, words[i]!);
  return address;
}
