/** Logs: JSON lines on stdout, one object each, levels as words and times in ISO 8601. */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogSettings } from './schemas.ts';

export type { Logger } from 'pino';

export interface LoggerOptions extends LogSettings {
  /** The program: "gateway", "reaper". */
  readonly name: string;
  /** Where the lines go; stdout by default. */
  readonly stream?: DestinationStream;
}

export function createLogger({ name, level, stream }: LoggerOptions): Logger {
  const options = {
    name,
    level,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  // Synchronous: the line that says why a process exits must not be lost with its buffer, and the
  // packet path does not log.
  return pino(options, stream ?? destination({ fd: 1, sync: true }));
}
