// The whole thing on real packets, Redis and processes: gateways die, connections do not.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, sumOf, type Traffic, type TrafficEvent, waitFor } from './index.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const perClient = 100;
const intervalMs = 100;
// "Every connection moves data again within 1.5 s"; the sending interval is part of a gap.
const gapMsMax = 1_500 + intervalMs;

/** Starts counting gaps anew: connections of their own for each kill. */
async function trickles(lab: Lab): Promise<Traffic[]> {
  const args = ['--connections', `${perClient}`, '--interval-ms', `${intervalMs}`];
  const all = ['client1', 'client2'].map((client) => lab.traffic(client, 'trickle', args));
  for (const each of all) await each.waitFor('opened', 20_000);
  return all;
}

/** Waits until every client got some thousand echoes more: the traffic goes on. */
async function moreEchoes(all: readonly Traffic[]): Promise<void> {
  const heard = (each: Traffic) => (each.latest.get('progress')?.received as number) ?? 0;
  const before = all.map(heard);
  const goesOn = () => all.every((each, i) => heard(each) > (before[i] ?? 0) + 2_000);
  await waitFor('the connections to go on', goesOn, 20_000);
}

function expectNothingLost(summary: TrafficEvent): void {
  expect(summary).toMatchObject({ opened: perClient, survived: perClient, reset: 0 });
  expect(summary).toMatchObject({ refused: 0, misdelivered: 0 });
  expect(summary.longestGapMs).toBeLessThan(gapMsMax);
}

describe.skipIf(skip)(`with live connections and a running iperf3${why}`, () => {
  const lab = new Lab();
  let server: Traffic;
  let iperf: ChildProcess | undefined;
  let said = '';

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 2 });
    server = lab.traffic('server1', 'server');
    await server.waitFor('listening', 10_000);
    const listener = lab.spawn('server2', 'iperf3', ['-s', '-1', '--forceflush'], {
      stdio: 'pipe',
    });
    await once(listener.stdout as NodeJS.ReadableStream, 'data');
    const args = ['-c', '198.51.100.20', '-t', '120', '-i', '1', '--forceflush'];
    iperf = lab.spawn('client1', 'iperf3', args, { stdio: 'pipe' });
    iperf.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  });
  afterAll(async () => {
    iperf?.kill('SIGKILL');
    await lab.down();
  });

  it('the death of gw1 resets none of them', async () => {
    const all = await trickles(lab);
    await moreEchoes(all);
    await lab.kill('gw1');
    await moreEchoes(all);
    for (const each of all) expectNothingLost(await each.stop());
    expect(sumOf(await lab.metrics('gw2'), 'flowstore_found_in_store_total')).toBeGreaterThan(0);
  });

  it('nor does that of gw2, once gw1 is back', async () => {
    await lab.start('gw1');
    const all = await trickles(lab);
    await moreEchoes(all);
    await lab.kill('gw2');
    await moreEchoes(all);
    for (const each of all) expectNothingLost(await each.stop());
    expect(sumOf(await lab.metrics('gw1'), 'flowstore_found_in_store_total')).toBeGreaterThan(0);
  });

  it('iperf3 never stopped', () => {
    expect(iperf?.exitCode).toBeNull();
    expect(said).toMatch(/Gbits\/sec|Mbits\/sec/);
    const last = said.trimEnd().split('\n').at(-1) ?? '';
    expect(last).not.toMatch(/ 0\.00 bits\/sec/);
  });

  it('every key in the store has a TTL, but the configuration and the queue', async () => {
    const { store } = await lab.status();
    const cli = async (...args: string[]) => {
      const run = await lab.exec('gw1', 'redis-cli', ['-u', `${store.url}`, ...args]);
      return run.stdout.trim().split('\n').filter(Boolean);
    };
    const entries = (await cli('--scan', '--pattern', '{??}*')).length;
    expect(entries).toBeGreaterThan(0);
    // Names are binary: Redis looks them up itself.
    const script =
      "local bad = {} for _, k in ipairs(redis.call('KEYS', '*')) do " +
      "if redis.call('TTL', k) == -1 then bad[#bad + 1] = k end end return bad";
    const without = await cli('EVAL', script, '0');
    expect(without.filter((name) => !/^(\{flowstore:reaper\}|[cd]:)/.test(name))).toEqual([]);
  });
});
