// The store on other servers than the one beside the tests: the conformance suite on those that
// images exist of, and the whole topology on a cluster of three masters.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GenericContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeConnections, goOn, openConnections } from './testing/connections.ts';
import { composeSkipReason, docker } from './testing/docker.ts';
import { Topology } from './testing/topology.ts';

const skip = composeSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const root = fileURLToPath(new URL('../../..', import.meta.url));
const suite = 'packages/flow-store/src/redis/redis-store.redis.test.ts';
// "program@image", as tools/images says it where no image can be pulled.
const published = 'redis-server@redis:7.2-alpine redis-server@redis:8-alpine';
const servers = (process.env.STORE_SERVERS ?? `${published} valkey-server@valkey/valkey:8-alpine`)
  .split(' ')
  .map((each) => {
    const [program = '', image = ''] = each.split('@');
    return { program, image };
  });

describe.skipIf(skip)(`the conformance suite${why}`, { timeout: 400_000 }, () => {
  it.each(servers)('passes on $program of $image', async ({ image, program }) => {
    const container = await new GenericContainer(image)
      .withCommand([program, '--protected-mode', 'no', '--save', '', '--appendonly', 'no'])
      .withExposedPorts(6379)
      .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
      .start();
    try {
      const url = `redis://${container.getHost()}:${container.getMappedPort(6379)}`;
      const { VITEST_POOL_ID: _, VITEST_WORKER_ID: __, VITEST: ___, ...env } = process.env;
      const options = { cwd: root, env: { ...env, REDIS_URL: url }, timeout: 300_000 };
      const run = promisify(execFile)(`${root}/node_modules/.bin/vitest`, ['run', suite], options);
      const { stdout } = await run;
      expect(stdout).toMatch(/Tests .*passed/);
      expect(stdout).not.toMatch(/failed|skipped/);
    } finally {
      await container.stop();
    }
  });
});

describe.skipIf(skip)(`on a cluster of three masters${why}`, { timeout: 300_000 }, () => {
  const topology = new Topology({
    profiles: ['cluster'],
    environment: { FLOWSTORE_REDIS_URL: 'redis+cluster://redis-node:6379' },
  });

  beforeAll(() => topology.up().then(() => topology.routed(2)), 600_000);
  afterAll(async () => {
    await topology.down();
    expect(await topology.remains()).toEqual([]);
  }, 120_000);

  it('flows open, are on all masters, and go on when a gateway is killed', async () => {
    const connections = await openConnections(topology);
    for (const node of ['redis-node-1', 'redis-node-2', 'redis-node-3']) {
      const { out } = await topology.exec(node, 'redis-cli', '--scan', '--pattern', '{??}*');
      expect(out.split('\n').filter(Boolean).length).toBeGreaterThan(0);
    }
    await docker(['kill', topology.name('gateway-1')]);
    await topology.routed(1);
    await goOn(connections);
    await closeConnections(connections);
  });
});
