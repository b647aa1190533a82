/** One suite for every flow store: the contract and the invariants it rests on, as tests. */
import { afterEach, beforeEach, describe } from 'vitest';
import { bindingTests } from './bindings.ts';
import { configChangeTests } from './config-changes.ts';
import { feedTests } from './feed.ts';
import { fragmentTests } from './fragments.ts';
import { graceTests } from './grace.ts';
import type { Harness } from './harness.ts';
import { identityTests } from './identity.ts';
import { layoutTests } from './layout-steps.ts';
import { leaseTests } from './leases.ts';
import { listTests } from './lists.ts';
import { membershipTests } from './membership.ts';
import { quarantineTests } from './quarantine.ts';
import { raceTests } from './races.ts';
import { replicationTests } from './replication.ts';
import { Scenario } from './scenario.ts';
import { silenceTests } from './silence.ts';
import { singleTests } from './singles.ts';
import { subscriberTests } from './subscribers.ts';
import { sweepTests } from './sweeps.ts';
import { tcpTests } from './tcp.ts';
import { twoMastersTests } from './two-masters.ts';

/** Each test gets an empty store: `begin` is called before it, the harness's `end` after it. */
export function conformance(name: string, begin: () => Promise<Harness>): void {
  recordConformance(name, begin);
  testsOf(`${name}: the deployment`, begin, (current) => {
    describe('replication', () => replicationTests(current));
    describe('membership', () => membershipTests(current));
    describe('changes of the configuration', () => configChangeTests(current));
    describe('layouts of records', () => layoutTests(current));
  });
}

/** What concerns records: the same whichever releases of theirs are there. */
export function recordConformance(name: string, begin: () => Promise<Harness>): void {
  testsOf(name, begin, (current) => {
    describe('bindings', () => bindingTests(current));
    describe('TCP flows', () => tcpTests(current));
    describe('identity', () => identityTests(current));
    describe('quarantine', () => quarantineTests(current));
    describe('leases', () => leaseTests(current));
    describe('lists', () => listTests(current));
    describe('single ports', () => singleTests(current));
    describe('sweeps', () => sweepTests(current));
    describe('subscribers', () => subscriberTests(current));
    describe('feed', () => feedTests(current));
    describe('fragments', () => fragmentTests(current));
    describe('grace', () => graceTests(current));
    describe('a silence', () => silenceTests(current));
    describe('two masters', () => twoMastersTests(current));
    describe('races', () => raceTests(current));
  });
}

function testsOf(
  name: string,
  begin: () => Promise<Harness>,
  tests: (current: () => Scenario) => void,
): void {
  describe(name, () => {
    let scenario: Scenario | undefined;
    beforeEach(async () => {
      scenario = new Scenario(await begin());
    });
    afterEach(async () => {
      await scenario?.harness.end();
    });
    tests(() => scenario!);
  });
}
