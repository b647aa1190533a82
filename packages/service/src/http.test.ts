import { Counter } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { type HttpOptions, startHttp } from './http.ts';
import { createRegistry } from './metrics.ts';

const DEFAULTS: HttpOptions = {
  host: '127.0.0.1',
  port: 0,
  registry: createRegistry({ app: 'test', version: '0.0.0' }),
  ready: () => [],
};

async function start(...[options, mount]: Parameters<typeof startHttp>) {
  const server = await startHttp(options, mount);
  onTestFinished(() => server.close());
  return server;
}

test('port 0 takes a free port and the url says which', async () => {
  const { url } = await start(DEFAULTS);
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
});

test('/metrics is the registry in the format of Prometheus', async () => {
  const registry = createRegistry({ app: 'test', version: '1.2.3' });
  new Counter({ name: 'beans_total', help: 'Beans', registers: [registry] }).inc(3);
  const { url } = await start({ ...DEFAULTS, registry });
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  expect(text).toContain('\nbeans_total 3\n');
  expect(text).toContain('flowstore_build_info{app="test",version="1.2.3"} 1');
  expect(text).toContain('process_cpu_seconds_total');
});

test('/readyz and /healthz turn 503 with their reasons, and back', async () => {
  let ready: string[] = ['no store'];
  let healthy: string[] = [];
  const { url } = await start({ ...DEFAULTS, ready: () => ready, healthy: () => healthy });
  const ask = async (path: string) => {
    const response = await fetch(url + path);
    return [response.status, await response.json()];
  };
  const ok = [200, { status: 'ok', reasons: [] }];
  expect(await ask('/readyz')).toEqual([503, { status: 'unavailable', reasons: ['no store'] }]);
  expect(await ask('/healthz')).toEqual(ok);
  ready = [];
  healthy = ['stuck'];
  expect(await ask('/readyz')).toEqual(ok);
  expect(await ask('/healthz')).toEqual([503, { status: 'unavailable', reasons: ['stuck'] }]);
});

test('an app mounts routes of its own', async () => {
  const { url } = await start(DEFAULTS, (app) => void app.get('/own', async () => 'mine'));
  expect(await (await fetch(`${url}/own`)).text()).toBe('mine');
});

test('a port in use is a clear error', async () => {
  const { url } = await start(DEFAULTS);
  const port = Number(new URL(url).port);
  await expect(startHttp({ ...DEFAULTS, port })).rejects.toMatchObject({
    code: 'FLOWSTORE_HTTP_LISTEN',
    message: `cannot listen on ${url}: the port is in use`,
  });
});

test('an address of another machine is a clear error', async () => {
  await expect(startHttp({ ...DEFAULTS, host: '192.0.2.1' })).rejects.toMatchObject({
    code: 'FLOWSTORE_HTTP_LISTEN',
    message: 'cannot listen on http://192.0.2.1:0: this machine does not have the address',
  });
});

test('close does not wait for idle keep-alive connections', async () => {
  const server = await startHttp(DEFAULTS);
  await (await fetch(`${server.url}/healthz`)).text();
  await server.close();
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
});
