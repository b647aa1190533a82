/** The documented user has all the rights that the store needs; TLS, and what is refused. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { redisHarness } from '../conformance/redis-harness.ts';
import { udp } from '../conformance/scenario.ts';
import { conformance } from '../conformance/suite.ts';
import {
  findServer,
  freePort,
  type ServerProcess,
  spawnSentinel,
  startServer,
} from '../testing/server-process.ts';
import { connectRedisStore } from './connect.ts';

const ACL = readFileSync(new URL('../../flowstore.acl', import.meta.url), 'utf8');
const PATIENCE = { timeout: 20_000, interval: 100 };
const FIND = { direction: 'inside', inside: udp(), remote: null } as const;
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowstore-access-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('with the documented ACL', () => {
  let server: ServerProcess;
  const urlOf = (user: string) => `redis://${user}@127.0.0.1:${server.port}`;
  beforeAll(async () => {
    // The tests look into the store, and move its clock, as another user.
    const file = join(directory, 'users.acl');
    const others = 'user tests on nopass ~* &* +@all\nuser guest on nopass -@all +info\n';
    writeFileSync(file, ACL + others);
    server = await startServer(['--aclfile', file]);
  });
  afterAll(async () => {
    await server.stop();
  });

  conformance('Redis, as its user flowstore', () =>
    redisHarness(urlOf('tests:x'), config, { storeUrl: urlOf('flowstore:change-this-password') }),
  );

  test('a wrong password is told at once, and is not repeated', async () => {
    const refused = connectRedisStore({ url: urlOf('flowstore:wrong'), config });
    await expect(refused).rejects.toThrow('WRONGPASS');
    const error = await refused.catch((reason: Error) => reason);
    expect(String(error)).not.toContain(':wrong');
  });

  test('a user without rights is told which one is missing', async () => {
    const store = await connectRedisStore({ url: urlOf('guest:x'), config });
    await expect(store.find([FIND])).rejects.toThrow(/NOPERM.*eval/);
    await store.end();
  });
});

describe('with TLS', () => {
  const file = (name: string) => join(directory, name);
  /** Between servers, too; on a command line each begins with two dashes. */
  const options = (dashes: string) =>
    Object.entries({
      'tls-cert-file': file('cert.pem'),
      'tls-key-file': file('key.pem'),
      'tls-ca-cert-file': file('cert.pem'),
      'tls-auth-clients': 'no',
      'tls-replication': 'yes',
    }).flatMap(([name, value]) => (dashes ? [dashes + name, value] : [`${name} ${value}`]));
  let server: ServerProcess;
  let tlsCa: string;
  beforeAll(async () => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const subject = ['-subj', '/CN=flowstore test', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', file('key.pem'), '-out', file('cert.pem'), '-days', '2'];
    const args = ['req', '-x509', ...key, ...subject, ...files];
    execFileSync('openssl', args, { stdio: 'pipe' });
    server = await startServer(options('--'), { tls: true });
    tlsCa = readFileSync(file('cert.pem'), 'utf8');
  });
  afterAll(async () => {
    await server.stop();
  });

  test('the store works over rediss://, with a trusted authority', async () => {
    const url = `rediss://127.0.0.1:${server.port}`;
    const store = await connectRedisStore({ url, config, tlsCa });
    await store.initialise('new');
    expect(await store.find([FIND])).toEqual([{ kind: 'no' }]);
    await store.end();
  });

  test('so it does with Sentinel, which is asked over TLS as well', async () => {
    const master = await startServer(options('--'), { tls: true });
    const of = ['--replicaof', `127.0.0.1 ${master.port}`];
    const replica = await startServer([...options('--'), ...of], { tls: true });
    const watched = `sentinel monitor flows 127.0.0.1 ${master.port} 1`;
    const sentinel = await spawnSentinel(findServer(), [...options(''), watched], { tls: true });
    try {
      const url = `rediss+sentinel://127.0.0.1:${sentinel.port}/flows`;
      const replicated = { ...config, minReplicas: 1 };
      const store = await connectRedisStore({ url, config: replicated, tlsCa });
      await vi.waitUntil(() => store.initialise('again').catch(() => false), PATIENCE);
      expect(await store.find([FIND])).toEqual([{ kind: 'no' }]);
      await store.end();
    } finally {
      await Promise.all([master, replica, sentinel].map((each) => each.stop()));
    }
  }, 60_000);

  describe('and a cluster', () => {
    let node: ServerProcess;
    /** A cluster of one: it knows its own address once it was told. */
    const begin = async (announced: readonly string[]) => {
      const bus = ['--cluster-port', String(await freePort()), '--tls-cluster', 'yes'];
      const cluster = ['--cluster-enabled', 'yes', ...bus, ...announced];
      node = await startServer([...options('--'), ...cluster], { tls: true });
      const tls = { ca: tlsCa };
      const admin = new Redis({ host: '127.0.0.1', port: node.port, protocol: 2, tls });
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      const isUp = async () => (await admin.cluster('INFO')).includes('cluster_state:ok');
      await vi.waitUntil(isUp, PATIENCE);
      admin.disconnect();
      return `rediss+cluster://127.0.0.1:${node.port}`;
    };
    afterEach(() => node.stop());

    test('it works with it, whose servers speak TLS with each other', async () => {
      const url = await begin(['--cluster-announce-ip', '127.0.0.1']);
      const store = await connectRedisStore({ url, config, tlsCa });
      await store.initialise('new');
      expect(await store.find([FIND])).toEqual([{ kind: 'no' }]);
      await store.end();
    }, 60_000);

    test('one that does not tell where its servers are is given up', async () => {
      const url = await begin([]);
      const connecting = connectRedisStore({ url, config, tlsCa, connectTimeoutMs: 300 });
      await expect(connecting).rejects.toThrow(/no Redis answers at rediss\+cluster:.*correct/s);
    }, 60_000);
  });

  test('an authority that nobody trusts is refused, and told', async () => {
    const url = `rediss://127.0.0.1:${server.port}`;
    await expect(connectRedisStore({ url, config })).rejects.toThrow(/self-signed certificate/);
  });
});
