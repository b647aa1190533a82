/** What goes wrong between the gateways, or makes them ask each other. */
import { boxOf, type FaultKind, trouble } from './kinds.ts';

export const PEER_KINDS: readonly FaultKind[] = [
  {
    name: 'storeAwayForOneLong',
    what: 'one gateway does not reach the store until its leases are long over; the others do',
    rate: 0.5,
    disabled: null,
    durationMs: ({ cacheLeaseMs, quarantineMs }) => [cacheLeaseMs, quarantineMs * 2.5],
    begin(world, event) {
      const box = boxOf(world, event);
      const undo = trouble(box);
      box.link.weather.away++;
      return () => {
        box.link.weather.away--;
        undo();
      };
    },
  },
  {
    name: 'peerLoss',
    what: 'gateways hear only some of what others say to them, and late',
    rate: 0.5,
    disabled: null,
    durationMs: ({ leaseMs }) => [1_000, leaseMs],
    begin({ peers, witness }, { force }) {
      const slowMs = force * 2_000;
      peers.weather.loss += force;
      peers.weather.slowMs += slowMs;
      witness.outages.disturbed();
      return () => {
        peers.weather.loss = Math.max(0, peers.weather.loss - force);
        peers.weather.slowMs = Math.max(0, peers.weather.slowMs - slowMs);
        witness.outages.disturbed();
      };
    },
  },
  {
    name: 'peerCutOff',
    what: 'one gateway hears nothing from the others, nor they from it',
    rate: 0.5,
    disabled: null,
    durationMs: ({ leaseMs }) => [1_000, leaseMs * 2],
    begin(world, event) {
      const { name } = boxOf(world, event);
      const { peers, witness } = world;
      peers.cut.add(name);
      witness.outages.disturbed();
      return () => {
        peers.cut.delete(name);
        witness.outages.disturbed();
      };
    },
  },
];
