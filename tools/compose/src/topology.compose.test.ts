// The topology of docker-compose.yml on real containers: gateways die, lose links, come and go, and
// connections do not notice. The tests share one topology and each leaves it as it found it.
import { readFileSync } from 'node:fs';
import { waitFor } from '@flowstore/lab';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeConnections, goOn, openConnections } from './testing/connections.ts';
import { composeSkipReason, docker, dockerResult } from './testing/docker.ts';
import { expressionsOf, Prometheus } from './testing/prometheus.ts';
import { CHANGE_MS_MAX, Topology } from './testing/topology.ts';

const skip = composeSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const dashboard = new URL('../../../deploy/monitoring/dashboards/flowstore.json', import.meta.url);

describe.skipIf(skip)(`in containers${why}`, { timeout: 300_000 }, () => {
  const topology = new Topology({ services: ['client', 'reaper', 'prometheus'] });

  beforeAll(() => topology.up().then(() => topology.routed(2)), 600_000);
  afterAll(async () => {
    await topology.down();
    expect(await topology.remains()).toEqual([]);
  }, 120_000);

  afterEach(() => topology.restore(), 2 * CHANGE_MS_MAX);

  it('a gateway is nobody special, and may do with the network what it must, no more', async () => {
    const { out } = await topology.exec('gateway-1', 'cat', '/proc/1/status');
    expect(out).toMatch(/^Uid:\t1000\t/m);
    // NET_ADMIN is bit 12, NET_RAW bit 13; no other can be had either.
    for (const set of ['Eff', 'Prm', 'Bnd']) {
      expect(out).toContain(`Cap${set}:\t0000000000003000`);
    }
    expect(await topology.inspect('gateway-1', '{{.HostConfig.Privileged}}')).toBe('false');
    const reaper = await topology.exec('reaper-1', 'cat', '/proc/1/status');
    expect(reaper.out).toContain('CapBnd:\t0000000000000000');
  });

  it('images hold what runs in production, and no tool of ours', async () => {
    const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    const tools = Object.keys(JSON.parse(manifest).devDependencies);
    expect(tools).toContain('vitest');
    for (const [container, needed] of Object.entries({
      'gateway-1': 'koffi',
      'reaper-1': 'bullmq',
    })) {
      const { out } = await topology.exec(container, 'find', 'node_modules', '-maxdepth', '2');
      const held = out.split('\n').map((path) => path.replace(/^node_modules\//, ''));
      expect(held).toContain(needed);
      expect(tools.filter((tool) => held.includes(tool))).toEqual([]);
      expect((await topology.exec(container, 'ls', '/app')).out).not.toMatch(/tools/);
      expect(await topology.inspect(container, '{{.State.Health.Status}}')).toBe('healthy');
    }
  });

  it('flows go through both gateways, and the server sees the pool’s addresses alone', async () => {
    const connections = await openConnections(topology);
    for (const gateway of ['gateway-1', 'gateway-2']) {
      const before = await topology.metric(gateway, 'flowstore_packets_out_total');
      const more = async () =>
        (await topology.metric(gateway, 'flowstore_packets_out_total')) > before + 20;
      await waitFor(`packets through ${gateway}`, more, 30_000);
    }
    const { out } = await topology.exec('server-1', 'cat', '/proc/net/tcp');
    // Remote addresses in the kernel's byte order: 203.0.113.x is xx7100CB.
    const remotes = [...out.matchAll(/^\s+\d+: \S+ (\w{8}):\w{4} 01 /gm)].map(([, hex]) => hex);
    expect(remotes.length).toBeGreaterThanOrEqual(40);
    expect(remotes.filter((hex) => !/^0.7100CB$/.test(hex as string))).toEqual([]);
    await closeConnections(connections);
  });

  it('docker kill of the gateway that carries a download resets nothing', async () => {
    const args = ['--bytes', '20000000', '--seconds', '12', '--progress-ms', '200'];
    const download = topology.traffic('download', ...args);
    const connections = await openConnections(topology);
    const { localPort } = await download.waitFor('connected', 30_000);
    const carrier = await topology.carrierOf(localPort as number, 8_080);
    await docker(['kill', topology.name(carrier)]);
    await topology.routed(1);
    await goOn(connections);
    const summary = await download.summary(120_000);
    expect(summary).toMatchObject({ ok: true });
    await closeConnections(connections);
  });

  it('docker network disconnect takes a gateway out of both routers, no more', async () => {
    const connections = await openConnections(topology);
    const inside = `${topology.project}_inside`;
    const gateway = topology.name('gateway-1');
    await docker(['network', 'disconnect', inside, gateway]);
    await topology.routed(1);
    await goOn(connections);
    // It ended, since what it was bound to is gone, and can't start until it is back.
    const said = async () => /inside.*is gone/.test(await topology.logs('gateway-1'));
    await waitFor('the gateway to say what it lost', said, 30_000);
    await topology.connect('gateway-1', 'inside');
    await topology.start('gateway-1');
    await topology.routed(2);
    await goOn(connections);
    await closeConnections(connections);
  });

  it('docker pause of Redis stops no known flow, and new ones open after it', async () => {
    const connections = await openConnections(topology);
    await docker(['pause', topology.name('redis-1')]);
    // Long enough for calls to fail: they are given a second.
    const failed = async () => (await topology.metric('gateway-1', 'flowstore_store_up')) === 0;
    await waitFor('the gateway to notice', failed, 60_000);
    await goOn(connections);
    expect(await topology.hops('lan')).toHaveLength(2);
    await docker(['unpause', topology.name('redis-1')]);
    const back = async () => (await topology.metric('gateway-1', 'flowstore_store_up')) === 1;
    await waitFor('the store to be back', back, 60_000);
    await closeConnections(connections);
    await closeConnections(await openConnections(topology));
  });

  it('scaled from 2 to 3 to 1 and back, no connection is reset', async () => {
    const connections = await openConnections(topology);
    await topology.scale(3);
    await goOn(connections);
    expect(await topology.metric('gateway-3', 'flowstore_packets_out_total')).toBeGreaterThan(0);
    await topology.scale(1);
    await goOn(connections);
    await topology.scale(2);
    await goOn(connections);
    await closeConnections(connections);
  });

  it('a rolling restart gives every port back and drops no connection', async () => {
    const connections = await openConnections(topology);
    for (const gateway of ['gateway-1', 'gateway-2']) {
      await docker(['stop', topology.name(gateway)]);
      expect(await topology.inspect(gateway, '{{.State.ExitCode}}')).toBe('0');
      await topology.routed(1);
      await goOn(connections);
      await docker(['start', topology.name(gateway)]);
      await topology.routed(2);
      await goOn(connections);
    }
    await closeConnections(connections);
  });

  it('a gateway that is stopped in its tracks loses its traffic, and gets it back', async () => {
    const connections = await openConnections(topology);
    await docker(['pause', topology.name('gateway-2')]);
    await topology.routed(1);
    await goOn(connections);
    await docker(['unpause', topology.name('gateway-2')]);
    await topology.routed(2);
    await goOn(connections);
    await closeConnections(connections);
  });

  it('a gateway with another configuration is refused, and says what differs', async () => {
    const network = ['--network', `${topology.project}_control`];
    const other = {
      FLOWSTORE_REDIS_URL: 'redis://redis:6379',
      FLOWSTORE_CLUSTER_POOL: '203.0.113.16/28',
      FLOWSTORE_CLUSTER_INSIDE_PREFIXES: '198.18.0.0/16',
      FLOWSTORE_DEVICES_INSIDE: 'eth0',
      FLOWSTORE_DEVICES_OUTSIDE: 'eth0',
    };
    const env = Object.entries(other).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const image = `flowstore/gateway:${topology.tag}`;
    const caps = ['--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN', '--cap-add', 'NET_RAW'];
    const result = await dockerResult(['run', '--rm', ...network, ...caps, ...env, image]);
    expect(result.code).toBe(2);
    expect(result.said).toContain('cluster.pool: differs from what the deployment');
  });

  it('UDP and ping go through, too', async () => {
    const udp = topology.traffic('udp-echo', '--flows', '8', '--seconds', '3');
    const ping = topology.traffic('ping', '--seconds', '3');
    const [datagrams, echoes] = [await udp.summary(60_000), await ping.summary(60_000)];
    expect(datagrams).toMatchObject({ ok: true });
    expect(echoes).toMatchObject({ ok: true });
  });

  it('a reaper that was killed is followed by another, and sweeps go on', async () => {
    await docker(['kill', topology.name('reaper-1')]);
    await docker(['start', topology.name('reaper-1')]);
    const name = 'flowstore_reaper_jobs_total';
    const swept = async () => (await topology.metric('reaper-1', name, 9_465)) > 16;
    await waitFor('jobs to be done', swept, CHANGE_MS_MAX);
  });

  it('Prometheus finds them all, and has data for all that the dashboard shows', async () => {
    const prometheus = await Prometheus.of(topology);
    const up = async () => (await prometheus.values('up == 1')).length === 3;
    await waitFor('three targets to be up', up, CHANGE_MS_MAX);
    const shown = expressionsOf(readFileSync(dashboard, 'utf8'));
    expect(shown.length).toBeGreaterThan(10);
    for (const expression of shown) {
      // What is shown only while there is some: without that condition.
      const always = expression.replace(/ > 0$/, '');
      const some = async () => (await prometheus.values(always)).length > 0;
      await waitFor(`data for ${always}`, some, CHANGE_MS_MAX);
    }
  });

  // The last one: until grace is over, new flows open on ports held before, and on no others.
  it('a Redis that comes back empty is told again what the gateways hold', async () => {
    const connections = await openConnections(topology);
    await docker(['kill', topology.name('redis-1')]);
    await docker(['start', topology.name('redis-1')]);
    const size = async () => Number((await topology.exec('redis-1', 'redis-cli', 'dbsize')).out);
    await waitFor('entries in the store', async () => (await size()) > 40, CHANGE_MS_MAX);
    await goOn(connections);
    await closeConnections(connections);
  });
});
