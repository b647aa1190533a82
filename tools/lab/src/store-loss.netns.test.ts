// The store comes back empty under live connections: the gateways tell it again what they hold.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, sumOf, type Traffic, waitFor } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const perClient = 50;

describe.skipIf(skip)(`a store that loses all of its data${why}`, () => {
  const lab = new Lab();
  let loads: Traffic[] = [];

  const restored = async (name: string) =>
    sumOf(await lab.metrics(name), 'flowstore_flows_restored_total');
  const received = (load: Traffic) => (load.latest.get('progress')?.received as number) ?? 0;

  async function goesOn(): Promise<void> {
    const before = loads.map(received);
    const more = () => loads.every((load, i) => received(load) > (before[i] ?? 0) + 500);
    await waitFor('the connections to go on', more, 20_000);
  }

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 2 });
    const server = lab.traffic('server1', 'server');
    await server.waitFor('listening', 10_000);
    const args = ['--connections', `${perClient}`];
    loads = ['client1', 'client2'].map((client) => lab.traffic(client, 'trickle', args));
    for (const load of loads) await load.waitFor('opened', 20_000);
    await goesOn();
  });
  afterAll(async () => {
    await lab.down();
  });

  it('is told again what the gateways hold, and no connection notices', async () => {
    await lab.store('stop');
    await goesOn();
    await lab.store('start');
    const told = async () => (await restored('gw1')) + (await restored('gw2')) >= 2 * perClient;
    await waitFor('the flows to be put back', told, 40_000, { everyMs: 250 });
    await goesOn();
  });

  it('knows enough then to outlive the death of a gateway', async () => {
    await lab.kill('gw1');
    await goesOn();
    for (const load of loads) {
      const summary = await load.stop();
      expect(summary).toMatchObject({ survived: perClient, reset: 0, misdelivered: 0 });
    }
  });
});
