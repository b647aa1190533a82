/** The same complaint over and over is one line now and then, with how many were left out. */
import type { Logger } from './logger.ts';

export interface LogLimitOptions {
  readonly log: Logger;
  /** At most one line per message in this time. */
  readonly everyMs: number;
  /** A clock that never goes back. */
  readonly nowMs: () => number;
}

/** Messages beyond this are told apart no longer: they come from code, not from input. */
export const LIMITED_MESSAGES_MAX = 256;

export class LogLimit {
  readonly #options: LogLimitOptions;
  readonly #byMessage = new Map<string, { lastMs: number; suppressed: number }>();

  constructor(options: LogLimitOptions) {
    this.#options = options;
  }

  warn(fields: object, message: string): void {
    const { log, everyMs, nowMs } = this.#options;
    const known = this.#byMessage.get(message);
    if (known !== undefined && nowMs() - known.lastMs < everyMs) {
      known.suppressed += 1;
      return;
    }
    if (this.#byMessage.size >= LIMITED_MESSAGES_MAX) this.#byMessage.clear();
    const suppressed = known?.suppressed ?? 0;
    this.#byMessage.set(message, { lastMs: nowMs(), suppressed: 0 });
    log.warn(suppressed === 0 ? fields : { ...fields, suppressed }, message);
  }
}
