/**
 * The board: the queue's jobs in a browser, at /queues. Read-only unless told otherwise, behind a
 * login, and it loads nothing from other hosts.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { HttpServer } from '@flowstore/service';
import type { Queue } from 'bullmq';
import type { ReaperConfig } from './config.ts';

export const BOARD_PATH = '/queues';
const CHALLENGE = 'Basic realm="flowstore reaper", charset="UTF-8"';
/** The board's page asks for its fonts elsewhere; it has others to fall back on. */
const FOREIGN_LINK = /<link[^>]*href="https?:[^>]*>/g;
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; " +
  "img-src 'self' data:; frame-ancestors 'none'; form-action 'self'";

/** Mounts it; without a password nobody can log in. */
export async function mountBoard(
  app: HttpServer['app'],
  queue: Queue,
  { user, password, readOnly }: ReaperConfig['board'],
): Promise<void> {
  const adapter = new FastifyAdapter();
  adapter.setBasePath(BOARD_PATH);
  createBullBoard({
    queues: [new BullMQAdapter(queue, { readOnlyMode: readOnly })],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'flowstore reaper' } },
  });
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (request, reply) => {
      if (isLogin(request.headers.authorization, user, password)) return;
      const hint =
        password === undefined ? 'the board has no password: set board.password' : 'login';
      await reply.code(401).header('WWW-Authenticate', CHALLENGE).send({ error: hint });
    });
    scope.addHook('onSend', async (_, reply, payload) => {
      reply.header('Content-Security-Policy', POLICY);
      return typeof payload === 'string' ? payload.replace(FOREIGN_LINK, '') : payload;
    });
    await scope.register(adapter.registerPlugin(), { prefix: BOARD_PATH });
  });
}

function isLogin(header: string | undefined, user: string, password?: string): boolean {
  if (password === undefined) return false;
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return timingSafeEqual(digest(header ?? ''), digest(wanted));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
