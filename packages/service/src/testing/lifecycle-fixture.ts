/**
 * A service for lifecycle.test.ts, run as a process of its own: `node lifecycle-fixture.ts HOW`.
 * It says "up" on stdout once it runs, and "stopping" when it is told to.
 */
import { ConfigError } from '../config-error.ts';
import { type Running, runService } from '../lifecycle.ts';
import { createLogger } from '../logger.ts';

const how = process.argv[2];
const log = createLogger({ name: 'fixture', level: 'info' });
const forever = () => new Promise<void>(() => {});
// Keeps the process alive, as a server would.
const idle = setInterval(() => {}, 1_000);

async function start(stopping: AbortSignal): Promise<Running> {
  if (how === 'bad-config') {
    const problems = ['a.yaml:1: x: found 1, allowed: text', 'a.yaml:2: y: found 2, allowed: text'];
    throw new ConfigError('FLOWSTORE_CONFIG_INVALID', problems);
  }
  if (how === 'no-store') {
    const error = new Error('cannot reach redis://me:secret@127.0.0.1:1');
    throw Object.assign(error, { code: 'FLOWSTORE_STORE_UNAVAILABLE' });
  }
  if (how === 'bug') throw new TypeError('x is not a function');
  log.info('up');
  if (how === 'slow-start') {
    await new Promise((_, reject) => stopping.addEventListener('abort', reject));
  }
  if (how === 'throws-later')
    setImmediate(() => {
      throw new Error('later');
    });
  if (how === 'rejects-later') void Promise.reject(new Error('later'));
  return {
    log,
    stop: async () => {
      log.info('stop called');
      if (how?.startsWith('hangs')) await forever();
      if (how === 'fails-to-stop') throw new Error('no stop');
      clearInterval(idle);
    },
  };
}

void runService(start, { name: 'fixture', stopTimeoutMs: how === 'hangs-short' ? 50 : 20_000 });
