// What is up, in one file: read by every command, written whole and renamed into place, so that a
// reader without the lock (status, exec) never sees half of it.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Management } from './management.ts';
import { stateFile } from './paths.ts';
import type { ProcessId } from './processes.ts';
import type { ServerPlan, StoreKind } from './store-plan.ts';

export type GatewayRecord = {
  name: string;
  index: number;
  routed: boolean;
  /** Whether this process ever was ready: one that is not any more is unready, not starting. */
  wasReady: boolean;
  process: ProcessId | null;
  /** What it runs in place of the lab's gateway program. */
  program?: string;
};

export type ReaperRecord = { name: string; port: number; process: ProcessId | null };
export type ServerRecord = ServerPlan & { process: ProcessId | null };
export type StoreRecord = { kind: StoreKind; url: string; servers: ServerRecord[] };

export type LabState = {
  version: 2;
  /** `coming` until everything was ready: found without a holder of the lock, it is a wreck. */
  phase: 'coming' | 'up';
  management: Management;
  /** The programs that run as gateway and reaper; null when only the network was asked for. */
  apps: { gateway: string; reaper: string } | null;
  gateways: GatewayRecord[];
  reapers: ReaperRecord[];
  store: StoreRecord | null;
};

/** The state on file; undefined when there is none, or none that this version understands. */
export function readState(file: string = stateFile): LabState | undefined {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as LabState;
    return state.version === 2 ? state : undefined;
  } catch {
    return undefined;
  }
}

export function writeState(state: LabState, file: string = stateFile): void {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(draft, file);
}

/** All processes that the lab started, the data plane first and the store last. */
export function recordedProcesses(state: LabState): ProcessId[] {
  const records = [...state.gateways, ...state.reapers, ...(state.store?.servers ?? [])];
  return records.flatMap((record) => (record.process ? [record.process] : []));
}
