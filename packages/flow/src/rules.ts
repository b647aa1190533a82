/**
 * What an operator writes about translation beside the pool: port forwards, one-to-one addresses,
 * destinations without NAT, pools by inside prefix, and domains. All of it is read once and known
 * to every gateway alike, so nothing of it has a record in the store.
 *
 * A port forward and a one-to-one rule say the same: a run of outside endpoints is a run of inside
 * ones, in order. So both are one kind of rule over *socket numbers*: address * 65536 + port, which
 * fits a double with room to spare.
 *
 * ```
 *   portForwards   203.0.113.5:8080-8089 <-> 198.18.1.10:80-89     10 socket numbers, one protocol
 *   oneToOne       203.0.113.64/30       <-> 198.18.1.64/30        4 * 65536 of them, any protocol
 * ```
 */
import { formatAddress, ipv4FromNumber } from './address.ts';
import {
  formatAddressRange,
  parseAddressRange,
  parseIpv4Number,
  rangeSize,
} from './address-range.ts';
import { TCP, UDP } from './protocol.ts';

/** Ports of an outside address that are an inside host's, whoever asks. */
export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  /** "203.0.113.5:8080" or "203.0.113.5:8080-8089". */
  readonly outside: string;
  /** As many ports. */
  readonly inside: string;
  readonly domain: number;
}

/** Outside addresses that are inside ones, with all protocols and ports. */
export interface OneToOne {
  /** "203.0.113.64", "203.0.113.64/30" or "203.0.113.64-203.0.113.67". */
  readonly outside: string;
  /** As many addresses. */
  readonly inside: string;
  readonly domain: number;
}

/** What goes to these destinations, and comes from them, passes as it is (RFC 6888 REQ-6). */
export interface NoNat {
  readonly destination: string;
  readonly domain: number;
}

/** Outside addresses for some inside ones: the longest prefix of the domain wins. */
export interface InsidePool {
  readonly addresses: readonly string[];
  /** Empty: all of the domain. */
  readonly insidePrefixes: readonly string[];
  readonly domain: number;
}

/** An inside network of its own, beside that of domain 0. */
export interface InsideDomain {
  readonly domain: number;
  readonly insidePrefixes: readonly string[];
}

/** A rule's protocol where it is for all of them. */
export const ANY_PROTOCOL = 0;
/** Socket numbers per address. */
export const PORTS = 65_536;

/** A port forward or a one-to-one rule, read. */
export interface StaticRule {
  readonly domain: number;
  readonly protocol: number;
  /** The first socket numbers of both runs, and how many there are. */
  readonly outside: number;
  readonly inside: number;
  readonly count: number;
}

interface SocketRange {
  readonly first: number;
  readonly count: number;
}

/** Throws a TypeError that says what is wrong. */
export function parsePortForward(forward: PortForward): StaticRule {
  const protocol = forward.protocol === 'tcp' ? TCP : UDP;
  const outside = parseSocketRange(forward.outside);
  const inside = parseSocketRange(forward.inside);
  return ruleOf(forward.domain, protocol, outside, inside, 'ports');
}

/** Throws a TypeError that says what is wrong. */
export function parseOneToOne({ domain, ...given }: OneToOne): StaticRule {
  const outside = parseAddressRange(given.outside);
  const inside = parseAddressRange(given.inside);
  const sockets = (range: { first: number; last: number }) => ({
    first: range.first * PORTS,
    count: rangeSize(range) * PORTS,
  });
  return ruleOf(domain, ANY_PROTOCOL, sockets(outside), sockets(inside), 'addresses');
}

function ruleOf(
  domain: number,
  protocol: number,
  outside: SocketRange,
  inside: SocketRange,
  what: string,
): StaticRule {
  if (outside.count !== inside.count) {
    throw new TypeError(`outside and inside must have as many ${what}`);
  }
  return { domain, protocol, outside: outside.first, inside: inside.first, count: inside.count };
}

/** "address:port" or "address:first-last"; throws a TypeError that names the text. */
export function parseSocketRange(text: string): SocketRange {
  const [address = '', ports = '', ...rest] = text.split(':');
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports);
  if (match === null || rest.length > 0) {
    throw new TypeError(`"${text}" is not address:port or address:first-last`);
  }
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (first < 1 || last >= PORTS || last < first) {
    throw new TypeError(`the ports of "${text}" are not 1 to 65535 in order`);
  }
  return { first: parseIpv4Number(address) * PORTS + first, count: last - first + 1 };
}

export function canonicalSocketRange(text: string): string {
  const { first, count } = parseSocketRange(text);
  const port = first % PORTS;
  const address = formatAddress(ipv4FromNumber(Math.floor(first / PORTS)));
  return `${address}:${count === 1 ? port : `${port}-${port + count - 1}`}`;
}

/** For people: "203.0.113.5:8080-8089", or the addresses where it is all of their ports. */
export function formatSockets(first: number, count: number): string {
  if (first % PORTS === 0 && count % PORTS === 0) {
    const address = first / PORTS;
    return formatAddressRange({ first: address, last: address + count / PORTS - 1 });
  }
  const address = formatAddress(ipv4FromNumber(Math.floor(first / PORTS)));
  return canonicalSocketRange(`${address}:${first % PORTS}-${(first % PORTS) + count - 1}`);
}

export interface RuleLists {
  readonly portForwards: readonly PortForward[];
  readonly oneToOne: readonly OneToOne[];
}

/** Of a configuration that was checked. */
export function staticRules({ portForwards, oneToOne }: RuleLists): StaticRule[] {
  return [...portForwards.map(parsePortForward), ...oneToOne.map(parseOneToOne)];
}
