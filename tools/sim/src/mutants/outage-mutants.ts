/** Gateways that take the wrong liberties while they can't ask the store. */
import { DEFAULT_POLICIES } from '@flowstore/gateway-core';
import type { Mutant } from '../mutants.ts';

export const OUTAGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'peers-never-asked',
    what: 'a gateway that is cut off takes it for everybody’s outage',
    policies: { ...DEFAULT_POLICIES, onPartition: 'forward' },
    badDays: { faults: ['storeAwayForOneLong', 'operatorCancels'] },
  },
  {
    name: 'peers-always-agree',
    what: 'whoever is asked says that he does not reach the store either',
    peerTamper: (message) =>
      message.kind === 'contact' ? { ...message, heardAgeMs: 1_000_000 } : message,
    badDays: { faults: ['storeAwayForOneLong', 'operatorCancels'] },
  },
  {
    name: 'peers-never-answer',
    what: 'an outage that is everybody’s is not known to be so',
    peerTamper: (message) => (message.kind === 'contact' ? { ...message, round: 0 } : message),
    badDays: { faults: ['storeAwayLong'] },
  },
  {
    name: 'provisional-never-told',
    what: 'the store never hears of flows that were opened without it',
    limits: { provisionalInFlightMax: 0 },
  },
];
