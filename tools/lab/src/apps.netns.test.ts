// Gateways' and reapers' processes as the lab handles them: readiness, kill, start, failure. The
// programs are stand-ins that only speak the contract (--init, /readyz, SIGTERM): what is tested
// here is the lab, before and without the real ones; those have the demo and its test.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { awaitReady, gatewayBase } from './apps.ts';
import { Lab, waitFor } from './index.ts';
import { presentNamespaces } from './network.ts';
import { configFile, stateFolder } from './paths.ts';
import { processState } from './processes.ts';
import { type LabState, readState, recordedProcesses } from './state.ts';
import { labSkipReason, refuseToShareTheLab } from './test-support.ts';

const skip = labSkipReason();

const standIn = `
import { createServer } from 'node:http';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const { parse } = createRequire(process.env.LAB_TEST_ROOT + '/package.json')('yaml');
const init = process.argv.includes('--init');
const config = parse(readFileSync(process.argv[process.argv.indexOf('--config') + 1], 'utf8'));
const folder = process.env.LAB_TEST_FOLDER;
appendFileSync(folder + '/calls', (init ? 'init ' : 'run ') + (config.name ?? 'reaper') + '\\n');
if (init) process.exit(0);
if (existsSync(folder + '/fail-' + config.name)) {
  console.log('config.cluster.pool: there is none');
  process.exit(3);
}
createServer((request, reply) => {
  const hold = existsSync(folder + '/hold-' + config.name);
  if (request.url === '/readyz') reply.writeHead(hold ? 503 : 200).end('held by a test');
  else if (request.url === '/metrics') reply.end('flows{state="active"} 3\\npackets 12\\n');
  else reply.writeHead(404).end();
}).listen(config.http.port, config.http.host, () => console.log('listening'));
process.on('SIGTERM', () => {
  appendFileSync(folder + '/calls', 'stop ' + (config.name ?? 'reaper') + '\\n');
  process.exit(0);
});
`;

describe.skipIf(skip)(`the lab's programs${skip ? ` (${skip})` : ''}`, () => {
  const lab = new Lab();
  const folder = skip ? '' : mkdtempSync(join(tmpdir(), 'lab-test-'));
  const main = join(folder, 'stand-in.mjs');
  const apps = { gateway: main, reaper: main };
  const calls = () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
  const mark = (name: string) => writeFileSync(join(folder, name), '');
  const unmark = (name: string) => rmSync(join(folder, name));
  const gateway = async (name: string) => {
    const found = (await lab.status()).gateways.find((each) => each.name === name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  };

  beforeAll(async () => {
    await refuseToShareTheLab(lab);
    writeFileSync(main, standIn);
    process.env.LAB_TEST_FOLDER = folder;
    process.env.LAB_TEST_ROOT = join(import.meta.dirname, '..');
    process.env.FLOWSTORE_REDIS_URL = 'redis://nowhere.invalid:1';
    const config = { cluster: { quarantineMs: 5 }, gateway: { log: { level: 'debug' } } };
    await lab.up({ gateways: 2, apps, config });
  });
  afterAll(async () => {
    await lab.down();
    delete process.env.FLOWSTORE_REDIS_URL;
    rmSync(folder, { recursive: true, force: true });
  });

  it('are initialized once, before any runs, and ready when up returns', async () => {
    expect(calls()[0]).toBe('init gw1');
    expect(calls().slice(1).sort()).toEqual(['run gw1', 'run gw2', 'run reaper']);
    const status = await lab.status();
    expect(status.state).toBe('up');
    expect(status.gateways.map((each) => each.state)).toEqual(['ready', 'ready']);
    expect(status.reapers.map((each) => each.state)).toEqual(['ready']);
    const net = readState()?.management.net;
    expect(status.gateways[1]?.metrics).toBe(`http://${net}.102:9464/metrics`);
    expect(status.reapers[0]?.metrics).toBe(`http://${net}.1:9564/metrics`);
  });

  it('get config files with the overrides laid over them', () => {
    const net = readState()?.management.net;
    expect(parse(readFileSync(configFile('gw2'), 'utf8'))).toEqual({
      name: 'gw2',
      redis: { url: `redis://${net}.1:6390` },
      devices: { inside: 'inside', outside: 'outside' },
      http: { host: `${net}.102`, port: 9464 },
      peers: { host: `${net}.102`, port: 9465, secret: 'the lab keeps no secrets' },
      log: { level: 'debug' },
      cluster: {
        pool: ['203.0.113.0/28'],
        insidePrefixes: ['198.18.0.0/16'],
        allowBelowRfcFloors: true,
        quarantineMs: 5,
      },
    });
  });

  it('tell their metrics and logs', async () => {
    expect(await lab.metrics('gw1')).toEqual({ 'flows{state="active"}': 3, packets: 12 });
    expect(lab.logs('gw1')).toBe('listening\n');
    expect(() => lab.logs('../state')).toThrow(/no log/);
  });

  it('don’t hear overrides that were meant for others', async () => {
    const { pid } = await gateway('gw1');
    const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    expect(variables.filter((each) => each.startsWith('FLOWSTORE_'))).toEqual([]);
    expect(variables.some((each) => each.startsWith('LAB_TEST_FOLDER='))).toBe(true);
  });

  it('run in their own namespace and session', async () => {
    const { pid } = await gateway('gw1');
    const inside = await lab.exec('gw1', 'readlink', ['/proc/self/ns/net']);
    const of = await lab.exec('gw1', 'readlink', [`/proc/${pid}/ns/net`]);
    expect(of.stdout).toBe(inside.stdout);
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ');
    expect(Number(stat?.[3])).toBe(pid);
  });

  it('lose their routes when killed, and get them back when ready again', async () => {
    const { pid } = await gateway('gw1');
    await lab.kill('gw1');
    expect(await gateway('gw1')).toMatchObject({ state: 'down', routed: false, pid: null });
    expect(await lab.routerRoute('fs-lan', 'default')).toBe('default via 198.18.102.2 dev gw2');
    await lab.kill('gw1');
    mark('hold-gw1');
    const starting = lab.start('gw1');
    await waitFor('gw1 starting', async () => (await gateway('gw1')).state === 'starting', 10_000);
    expect(await lab.routerRoute('fs-lan', 'default')).not.toContain('198.18.101.2');
    unmark('hold-gw1');
    await starting;
    expect(await gateway('gw1')).toMatchObject({ state: 'ready', routed: true });
    expect((await gateway('gw1')).pid).not.toBe(pid);
    expect(await lab.routerRoute('fs-wan', '203.0.113.0/28')).toContain('198.19.101.2');
    await lab.start('gw1');
  });

  it('have their routes changed within 100 ms of a kill', async () => {
    await lab.start('gw2');
    // Of ten: one slow turn of a busy machine is not the lab's doing.
    const tookMs: number[] = [];
    for (let turn = 0; turn < 10; turn++) {
      await lab.route('gw2', 'on');
      const start = performance.now();
      await lab.kill('gw2');
      tookMs.push(performance.now() - start);
    }
    await lab.start('gw2');
    tookMs.sort((a, b) => a - b);
    expect(tookMs[5]).toBeLessThan(100);
  });

  it('keep their routes when asked to', async () => {
    await lab.kill('gw2', { keepRoute: true });
    expect(await gateway('gw2')).toMatchObject({ state: 'down', routed: true });
    expect(await lab.routerRoute('fs-lan', 'default')).toContain('198.18.102.2');
    await lab.start('gw2');
  });

  it('are unready, not starting, when they fall back later', async () => {
    mark('hold-gw2');
    expect((await gateway('gw2')).state).toBe('unready');
    unmark('hold-gw2');
    await lab.route('gw2', 'off');
    expect((await gateway('gw2')).state).toBe('routed-off');
    await lab.route('gw2', 'on');
    expect((await gateway('gw2')).state).toBe('ready');
  });

  it('fail with the end of their log when one does not start', async () => {
    await lab.kill('gw1');
    mark('fail-gw1');
    await expect(lab.start('gw1')).rejects.toThrow(/ended before it was ready[\s\S]*there is none/);
    unmark('fail-gw1');
    await lab.start('gw1');
  });

  it('may be killed while they start', async () => {
    await lab.kill('gw1');
    mark('hold-gw1');
    const starting = lab.start('gw1');
    const failed = expect(starting).rejects.toThrow(/ended before it was ready|was killed/);
    await waitFor('gw1 to start', async () => (await gateway('gw1')).state === 'starting', 10_000);
    await lab.kill('gw1');
    await failed;
    unmark('hold-gw1');
    await lab.start('gw1');
  });

  it('say why they are not ready when the time is up', async () => {
    mark('hold-gw1');
    const state = readState() as LabState;
    const [first] = state.gateways as [LabState['gateways'][0]];
    const wait = awaitReady(first, gatewayBase(state.management, 1), 100);
    await expect(wait).rejects.toThrow(/not ready within 100 ms: .readyz says 503 held by a test/);
    unmark('hold-gw1');
  });

  it('are stopped gracefully by down', async () => {
    const state = readState();
    await lab.down();
    expect(calls().slice(-3).sort()).toEqual(['stop gw1', 'stop gw2', 'stop reaper']);
    for (const id of recordedProcesses(state as NonNullable<typeof state>)) {
      expect(processState(id)).toBe('gone');
    }
  });

  it('take everything down with them when one fails in up', async () => {
    mark('fail-gw2');
    await expect(lab.up({ gateways: 2, apps })).rejects.toThrow(/gw2 ended[\s\S]*there is none/);
    unmark('fail-gw2');
    expect(presentNamespaces()).toEqual([]);
    expect(existsSync(stateFolder)).toBe(false);
  });

  it('leave nothing once down, when the command that brought them up was killed', async () => {
    mark('hold-gw2');
    const script = `
      const { Lab } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))});
      await new Lab().up({ gateways: 2, apps: ${JSON.stringify(apps)} });
    `;
    const command = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const running = () => readState()?.reapers[0]?.process && readState();
    const wreck = (await waitFor('all to run', running, 20_000)) as LabState;
    command.kill('SIGKILL');
    expect((await lab.status()).state).toBe('coming');
    await expect(lab.kill('gw1')).rejects.toMatchObject({ code: 'LAB_NOT_UP' });
    await lab.down();
    unmark('hold-gw2');
    expect(recordedProcesses(wreck)).toHaveLength(4);
    for (const id of recordedProcesses(wreck)) expect(processState(id)).toBe('gone');
    expect(presentNamespaces()).toEqual([]);
    expect(existsSync(stateFolder)).toBe(false);
  });

  it('leave nothing when up is interrupted', async () => {
    mark('hold-gw2');
    const abort = new AbortController();
    const up = lab.up({ gateways: 2, apps, signal: abort.signal });
    const running = () => readState()?.gateways[1]?.process;
    await waitFor('gw2 to run', running, 20_000);
    abort.abort();
    await expect(up).rejects.toThrow();
    unmark('hold-gw2');
    expect(presentNamespaces()).toEqual([]);
    expect(existsSync(stateFolder)).toBe(false);
  });
});
