/** What a gateway does where the protocol leaves it to the operator. */
import { TCP, UDP } from '@flowstore/flow';

export interface Policies {
  /** For a gateway that the store does not answer, while others may reach it. `hold`: known flows
   * stop at the end of the cache lease. `forward`: they go on, which waives I1 and I2. */
  readonly onPartition: 'hold' | 'forward';
  /** A new flow from inside while the store can't be asked. */
  readonly onOutage: {
    readonly tcp: OutagePolicy;
    readonly udp: OutagePolicy;
    readonly icmp: OutagePolicy;
  };
  /** Whether senders are told by ICMP why their packets don't go on (RFC 5508 REQ-9). */
  readonly ownErrors: 'send' | 'suppress';
  /** A SYN from outside that no binding waits for: answered after 6 s, or never. */
  readonly unsolicitedSyns: 'answer' | 'silent';
}

export type OutagePolicy = 'provisional' | 'refuse';

export const DEFAULT_POLICIES: Policies = {
  onPartition: 'hold',
  onOutage: { tcp: 'provisional', udp: 'provisional', icmp: 'provisional' },
  ownErrors: 'send',
  unsolicitedSyns: 'answer',
};

export function mayBeProvisional({ onOutage }: Policies, protocol: number): boolean {
  const policy = protocol === TCP ? onOutage.tcp : protocol === UDP ? onOutage.udp : onOutage.icmp;
  return policy === 'provisional';
}
