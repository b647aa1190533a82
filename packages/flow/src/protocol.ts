/** The IP protocols that flowstore translates, by their IANA numbers. */
export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const ICMPV6 = 58;

export type Protocol = typeof ICMP | typeof TCP | typeof UDP | typeof ICMPV6;

const NAMES: Record<Protocol, string> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6' };

export function isProtocol(number: number): number is Protocol {
  return number in NAMES;
}

export function protocolName(protocol: number): string {
  return isProtocol(protocol) ? NAMES[protocol] : `protocol ${protocol}`;
}
