// Small questions to the lab's own HTTP servers, one connection each: nothing is kept alive that
// would keep a command from ending or hide a restart.
import { get } from 'node:http';

export type HttpAnswer = { status: number; body: string };

const bodyBytesMax = 16 * 1024 * 1024;

/** The answer, or undefined when nobody (completely) answered within `timeoutMs`. */
export function httpGet(url: string, timeoutMs: number): Promise<HttpAnswer | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) }, (reply) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      reply.on('data', (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (bytes > bodyBytesMax) reply.destroy();
      });
      reply.on('error', () => resolve(undefined));
      reply.on('close', () => resolve(undefined));
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }),
      );
    });
    request.on('error', () => resolve(undefined));
  });
}

/** Whether /readyz is green. A program without that page is ready when /healthz is. */
export async function isReady(base: string, timeoutMs: number): Promise<boolean> {
  const ready = await httpGet(`${base}/readyz`, timeoutMs);
  if (ready?.status !== 404) return ready?.status === 200;
  return (await httpGet(`${base}/healthz`, timeoutMs))?.status === 200;
}
