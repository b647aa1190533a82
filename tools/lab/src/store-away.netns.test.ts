// An outage of the store that is everybody's, for longer than the cache lease: nobody notices.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, sumOf, type Traffic, waitFor } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const perClient = 50;
const clients = ['client1', 'client2'] as const;
/** Six of them pass below; slack and lease are as by default. */
const cacheLeaseMs = 6_000;

describe.skipIf(skip)(`a store that is away for several cache leases${why}`, () => {
  const lab = new Lab();
  let loads: Traffic[] = [];
  let later: Traffic | undefined;

  const received = (load: Traffic) => (load.latest.get('progress')?.received as number) ?? 0;
  const counted = async (name: string) => {
    const each = await Promise.all(['gw1', 'gw2'].map((gateway) => lab.metrics(gateway)));
    return each.reduce((sum, metrics) => sum + sumOf(metrics, `flowstore_${name}_total`), 0);
  };

  async function goOn(all: readonly Traffic[]): Promise<void> {
    const before = all.map(received);
    const more = () => all.every((load, i) => received(load) > (before[i] ?? 0) + 100);
    await waitFor('the connections to go on', more, 20_000);
  }

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    const config = { cluster: { cacheLeaseMs, heartbeatMs: 1_000 } };
    await lab.up({ gateways: 2, config });
    const server = lab.traffic('server1', 'server');
    await server.waitFor('listening', 10_000);
    // New flows need ports of their shard in hand: so many leave both gateways some of nearly each.
    for (const client of clients) {
      const many = lab.traffic(client, 'trickle', ['--connections', '700']);
      await many.waitFor('opened', 30_000);
      await many.stop();
    }
    const args = ['--connections', `${perClient}`];
    loads = clients.map((client) => lab.traffic(client, 'trickle', args));
    for (const load of loads) await load.waitFor('opened', 20_000);
    await goOn(loads);
  });
  afterAll(async () => {
    await lab.down();
  });

  it('is known to be away for all of them', async () => {
    await lab.store('pause');
    const agreed = async () => (await counted('outages_of_everybody')) >= 2;
    await waitFor('both gateways to agree', agreed, 20_000, { everyMs: 250 });
  });

  it('holds up no connection, and new ones open', async () => {
    later = lab.traffic('client1', 'trickle', ['--connections', '20']);
    for (let lasted = 0; lasted < 6; lasted++) {
      const before = loads.map(received);
      const heard = () => loads.every((load, i) => received(load) > (before[i] ?? 0) + 1_000);
      await waitFor('the connections to go on', heard, 2 * cacheLeaseMs);
    }
    expect(await counted('provisional_opened')).toBeGreaterThan(10);
    await goOn([later]);
  });

  it('is told of them when it is back, and nothing was reset', async () => {
    await lab.store('resume');
    const told = async () => (await counted('provisional_kept')) > 10;
    await waitFor('the store to be told', told, 20_000, { everyMs: 250 });
    await goOn([...loads, later!]);
    expect(await counted('provisional_lost')).toBe(0);
    for (const load of loads) {
      const summary = await load.stop();
      expect(summary).toMatchObject({ survived: perClient, reset: 0, misdelivered: 0 });
    }
    expect(await later!.stop()).toMatchObject({ reset: 0, misdelivered: 0 });
  });
});
