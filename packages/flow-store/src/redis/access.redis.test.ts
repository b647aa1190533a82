/** The documented user has all the rights that the store needs; TLS, and what is refused. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONFORMANCE_CONFIG as config } from '../conformance/harness.ts';
import { redisHarness } from '../conformance/redis-harness.ts';
import { udp } from '../conformance/scenario.ts';
import { conformance } from '../conformance/suite.ts';
import { type ServerProcess, startServer } from '../testing/server-process.ts';
import { connectRedisStore } from './connect.ts';

const ACL = readFileSync(new URL('../../flowstore.acl', import.meta.url), 'utf8');
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
  let server: ServerProcess;
  beforeAll(async () => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const subject = ['-subj', '/CN=flowstore test', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', file('key.pem'), '-out', file('cert.pem'), '-days', '2'];
    const args = ['req', '-x509', ...key, ...subject, ...files];
    execFileSync('openssl', args, { stdio: 'pipe' });
    const pair = ['--tls-cert-file', file('cert.pem'), '--tls-key-file', file('key.pem')];
    const clients = ['--tls-auth-clients', 'no'];
    server = await startServer([...pair, ...clients], { tls: true });
  });
  afterAll(async () => {
    await server.stop();
  });

  test('the store works over rediss://, with a trusted authority', async () => {
    const url = `rediss://127.0.0.1:${server.port}`;
    const tlsCa = readFileSync(file('cert.pem'), 'utf8');
    const store = await connectRedisStore({ url, config, tlsCa });
    await store.initialise('new');
    expect(await store.find([FIND])).toEqual([{ kind: 'no' }]);
    await store.end();
  });

  test('an authority that nobody trusts is refused, and told', async () => {
    const url = `rediss://127.0.0.1:${server.port}`;
    await expect(connectRedisStore({ url, config })).rejects.toThrow(/self-signed certificate/);
  });
});
