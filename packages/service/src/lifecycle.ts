/**
 * A process from start to exit.
 *
 * ```
 * start ----ok----> running --SIGINT/SIGTERM--> stopping --done--> exit 0
 *   |                  |                            |
 *   | refused          | unhandled error            | stopTimeoutMs over, or a second signal
 *   v                  v                            v
 * exit 2 or 1        exit 1                       exit 1
 * ```
 */
import { ConfigError } from './config-error.ts';
import type { Logger } from './logger.ts';
import { redactUrl } from './redact.ts';

export const EXIT_FAILURE = 1;
export const EXIT_CONFIG = 2;
export const STOP_TIMEOUT_MS = 10_000;

export interface Running {
  readonly log: Logger;
  /** Called once. What it has not done within stopTimeoutMs stays undone. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  /** In front of what is printed before there is a log: "gateway". */
  readonly name: string;
  readonly stopTimeoutMs?: number;
}

/**
 * Runs a service until a signal ends it. `start` reads the configuration, brings everything up and
 * returns what is needed to stop it; `stopping` fires when a signal comes, also while it starts.
 * The process exits by itself: nothing after this call is needed.
 */
export async function runService(
  start: (stopping: AbortSignal) => Promise<Running>,
  { name, stopTimeoutMs = STOP_TIMEOUT_MS }: ServiceOptions,
): Promise<void> {
  const stopping = new AbortController();
  let running: Running | undefined;

  const fail = (what: string, error: unknown) => {
    if (running === undefined) process.stderr.write(startupErrorText(name, error));
    else running.log.fatal({ err: error }, what);
    process.exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', (error) => fail('uncaught exception', error));
  process.on('unhandledRejection', (error) => fail('unhandled rejection', error));

  const signalled = new Promise<string>((resolve) => {
    const onSignal = (signal: string) => {
      if (stopping.signal.aborted) {
        running?.log.warn({ signal }, 'second signal: exiting at once');
        process.exit(EXIT_FAILURE);
      }
      stopping.abort();
      setTimeout(() => {
        const line = `not stopped within ${stopTimeoutMs} ms: exiting`;
        if (running === undefined) process.stderr.write(`${name}: ${line}\n`);
        else running.log.error({ stopTimeoutMs }, line);
        process.exit(EXIT_FAILURE);
      }, stopTimeoutMs);
      resolve(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });

  try {
    running = await start(stopping.signal);
  } catch (error) {
    // A start that was told to stop may give up however it likes.
    if (stopping.signal.aborted) process.exit(0);
    process.stderr.write(startupErrorText(name, error));
    process.exit(isAboutConfig(error) ? EXIT_CONFIG : EXIT_FAILURE);
  }

  const signal = await signalled;
  running.log.info({ signal }, 'stopping');
  try {
    await running.stop();
  } catch (error) {
    fail('stopping failed', error);
  }
  running.log.info('stopped');
  process.exit(0);
}

/** Other packages than this one may find the configuration wanting, too: their codes say so. */
function isAboutConfig(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' && code.startsWith('FLOWSTORE_CONFIG_');
}

/** One line per problem; the stack only of errors that nobody planned, which have no code. */
export function startupErrorText(name: string, error: unknown): string {
  if (error instanceof ConfigError) {
    return error.problems.map((problem) => `${name}: ${problem}\n`).join('');
  }
  if (!(error instanceof Error)) return `${name}: ${String(error)}\n`;
  const { code } = error as NodeJS.ErrnoException;
  const text = code === undefined ? (error.stack ?? error.message) : `${error.message} (${code})`;
  return `${name}: ${redactUrl(text)}\n`;
}
