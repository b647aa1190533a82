// The traffic programs between real namespaces. There is no flowstore here: gw1's kernel forwards
// for the length of this test, untranslated, and the wan gets a way back to the clients. Both are
// what the lab otherwise forbids, and both vanish with it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Lab, type Traffic } from '../index.ts';
import { ip } from '../ip.ts';
import { labSkipReason, refuseToShareTheLab } from '../test-support.ts';
import { waitFor } from '../wait.ts';

const skip = labSkipReason();

async function forwardByKernel(lab: Lab): Promise<void> {
  await lab.exec('gw1', 'sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  await ip(['-n', 'fs-wan', 'route', 'add', '198.18.1.0/24', 'via', '198.19.101.2']);
}

describe.skipIf(skip)(`the traffic programs${skip ? ` (${skip})` : ''}`, () => {
  const lab = new Lab();
  let server: Traffic;

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    await lab.up({ gateways: 1, apps: 'none', store: false });
    await forwardByKernel(lab);
    server = lab.traffic('server1', 'server');
    await server.waitFor('listening', 10_000);
  });
  afterAll(async () => {
    await lab.down();
  });

  it('download a paced body and check it', async () => {
    const args = ['--bytes', '3000000', '--seconds', '1.5', '--progress-ms', '200'];
    const run = lab.traffic('client1', 'download', args);
    const summary = await run.summary(20_000);
    expect(summary).toMatchObject({ ok: true, bytes: 3_000_000, sha256: summary.expected });
    expect(summary.tookMs).toBeGreaterThan(1_400);
    expect(summary.longestGapMs).toBeLessThan(1_000);
    expect(run.latest.get('progress')).toMatchObject({ of: 3_000_000 });
    expect(await run.done).toBe(0);
  });

  it('say that a download was cut', async () => {
    const run = lab.traffic('client1', 'download', ['--bytes', '9000000', '--seconds', '60']);
    await run.waitFor('connected', 10_000);
    expect(await run.stop()).toMatchObject({ ok: false, error: 'ended early: SIGTERM' });
    expect(await run.done).toBe(1);
  });

  it('trickle over many connections until told to stop', async () => {
    const args = ['--connections', '200', '--interval-ms', '100', '--progress-ms', '100'];
    const run = lab.traffic('client2', 'trickle', args);
    expect(await run.waitFor('opened', 20_000)).toMatchObject({ opened: 200, refused: 0 });
    await run.waitFor('progress', 10_000);
    const summary = await run.stop();
    expect(summary).toMatchObject({ ok: true, survived: 200, reset: 0, misdelivered: 0 });
    expect(summary.received).toBe(summary.sent);
    expect(summary.gapsMs).toHaveLength(200);
  });

  it('trickle through a pause of the path and tell how long it was', async () => {
    const args = ['--connections', '20', '--interval-ms', '50', '--progress-ms', '50'];
    const run = lab.traffic('client1', 'trickle', args);
    await run.waitFor('opened', 20_000);
    const pause = async (to: 'on' | 'off') => lab.route('gw1', to);
    await pause('off');
    // With no route the kernel answers with errors that TCP outlives; the gap must show.
    const seen = () => Number(run.latest.get('progress')?.longestGapMs ?? 0) >= 600;
    await waitFor('the gap to show', seen, 10_000);
    await pause('on');
    const summary = await run.stop();
    expect(summary).toMatchObject({ survived: 20, reset: 0, misdelivered: 0 });
    expect(summary.longestGapMs).toBeGreaterThanOrEqual(600);
  });

  it('trickle notices resets and refusals', async () => {
    const refused = lab.traffic('client1', 'trickle', ['--connections', '3', '--port', '9']);
    const opened = await refused.waitFor('opened', 15_000);
    expect(opened).toMatchObject({ refused: 3, reasons: { ECONNREFUSED: 3 } });
    expect(await refused.stop()).toMatchObject({ ok: false, opened: 0 });

    const other = lab.traffic('server2', 'server');
    await other.waitFor('listening', 10_000);
    const args = ['--connections', '5', '--server', '198.51.100.20', '--progress-ms', '50'];
    const run = lab.traffic('client1', 'trickle', args);
    await run.waitFor('opened', 15_000);
    await other.stop();
    const areGone = () => Number(run.latest.get('progress')?.reset ?? 0) === 5;
    await waitFor('the resets to show', areGone, 10_000);
    const summary = await run.stop();
    expect(summary).toMatchObject({ ok: false, opened: 5, reset: 5, survived: 0 });
  });

  it('echo numbered datagrams', async () => {
    const args = ['--flows', '3', '--interval-ms', '20', '--seconds', '0.5'];
    const summary = await lab.traffic('client1', 'udp-echo', args).summary(10_000);
    expect(summary).toMatchObject({ ok: true, why: 'time', lost: 0, misdelivered: 0 });
    expect(summary.sent).toBeGreaterThan(20);
  });

  it('ping, or say that there is none', async () => {
    const args = ['--interval-ms', '50', '--seconds', '0.5'];
    const summary = await lab.traffic('client1', 'ping', args).summary(10_000);
    expect(summary.ok).toBe(true);
    if (!('skipped' in summary)) expect(summary).toMatchObject({ lost: 0 });
  });

  it('refuse wrong arguments', async () => {
    const run = lab.traffic('client1', 'trickle', ['--connections', '0']);
    await expect(run.waitFor('summary', 10_000)).rejects.toThrow(/must be a number 1\.\.20000/);
    expect(await run.done).toBe(2);
  });

  it('end with whoever started them', async () => {
    const run = lab.traffic('client1', 'trickle', ['--connections', '2']);
    await run.waitFor('opened', 15_000);
    run.child.stdin?.end();
    expect(await run.summary(10_000)).toMatchObject({ why: 'stdin', survived: 2 });
  });
});
