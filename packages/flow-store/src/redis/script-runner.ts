/** The cut between the operations and the connection: one server now, others behind it later. */
import { StoreUnavailable } from '../contract.ts';
import type { ScanPage } from './audit.ts';
import type { CommandName } from './commands.ts';

export interface ScriptRunner {
  /**
   * Runs one script on the server that owns `key`. Resolves with its replies, one per request (and
   * one more of a script that is timed);
   * rejects with StoreUnavailable where there is no connection or the server can't serve now.
   */
  run(command: CommandName, key: string, args: readonly Buffer[]): Promise<Buffer[]>;
  /** Some of the keys of the n-th server, from its cursor on; rejects as `run` does. */
  scan(server: number, cursor: string, keys: number): Promise<ScanPage>;
  end(): Promise<void>;
}

/** The script ran, and too few replicas have what it wrote: as good as no answer. */
export class Unreplicated extends StoreUnavailable {}
