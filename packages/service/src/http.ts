/**
 * The HTTP side of an app: /metrics for Prometheus, /healthz (is the process sound? restart it if
 * not) and /readyz (should it get work? send none if not).
 */
import { type FastifyInstance, fastify } from 'fastify';
import type { Registry } from 'prom-client';
import type { HttpSettings } from './schemas.ts';

export const HTTP_CONNECTIONS_MAX = 256;
export const HTTP_BODY_BYTES_MAX = 64 * 1024;
export const HTTP_REQUEST_TIMEOUT_MS = 10_000;

export interface HttpOptions extends HttpSettings {
  readonly registry: Registry;
  /** Why it is not ready, in words; empty: it is. */
  readonly ready: () => readonly string[];
  /** Why it is not sound; empty or absent: it is. */
  readonly healthy?: () => readonly string[];
}

export interface HttpServer {
  /** "http://127.0.0.1:9464": the port that was really taken. */
  readonly url: string;
  /** For routes of the app's own; add them in `mount`, before it listens. */
  readonly app: FastifyInstance;
  close(): Promise<void>;
}

/** `code` is stable; the message names the address and why it could not be had. */
export class HttpListenError extends Error {
  readonly code = 'FLOWSTORE_HTTP_LISTEN';
}

/** `mount` adds an app's own routes (fastify takes none once it listens). */
export async function startHttp(
  options: HttpOptions,
  mount?: (app: FastifyInstance) => void | Promise<void>,
): Promise<HttpServer> {
  const { host, port, registry, ready, healthy = () => [] } = options;
  const app = fastify({
    bodyLimit: HTTP_BODY_BYTES_MAX,
    requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
    // A scraper's idle keep-alive connection must not hold up a stop.
    forceCloseConnections: true,
  });
  app.server.maxConnections = HTTP_CONNECTIONS_MAX;
  app.get('/metrics', async (_, reply) => {
    reply.type(registry.contentType);
    return registry.metrics();
  });
  const report = (path: string, check: () => readonly string[]) =>
    app.get(path, async (_, reply) => {
      const reasons = check();
      reply.code(reasons.length === 0 ? 200 : 503);
      return { status: reasons.length === 0 ? 'ok' : 'unavailable', reasons };
    });
  report('/healthz', healthy);
  report('/readyz', ready);
  try {
    await mount?.(app);
    const url = await app.listen({ host, port });
    return { url, app, close: () => app.close() };
  } catch (error) {
    await app.close();
    throw listenError(error, host, port);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'this user may not use the port',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ENOTFOUND: 'the host name is not known',
};

function listenError(error: unknown, host: string, port: number): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return error;
  const reason = REASONS[code ?? ''] ?? (error as Error).message;
  return new HttpListenError(`cannot listen on http://${host}:${port}: ${reason}`, {
    cause: error,
  });
}
