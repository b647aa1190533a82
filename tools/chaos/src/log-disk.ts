/** A disk for the gateways' session logs that is small enough to be filled. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GATEWAYS } from './plan.ts';

const DISK_BYTES = 8 * 1024 * 1024;
const CHUNK_BYTES = 4_096;

export class LogDisk {
  readonly folder = mkdtempSync(join(tmpdir(), 'flowstore-chaos-log-'));

  constructor() {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'chaos-log', this.folder]);
  }

  /** In the lab's `gateway` configuration: all that is kept is three quarters of the disk. */
  get config() {
    const file = join(this.folder, '{name}.jsonl');
    const filesMax = 2;
    const files = GATEWAYS * (1 + filesMax);
    const fileBytesMax = Math.floor((0.75 * DISK_BYTES) / files);
    return { record: 'bindings', streamKeepMs: 0, file, fileBytesMax, filesMax };
  }

  remove(): void {
    execFileSync('umount', ['-l', this.folder]);
    rmdirSync(this.folder);
  }
}

/** Until there is room for nothing any more; answers how to make room again. */
export function fill(folder: string): () => void {
  const file = join(folder, 'filler');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  try {
    for (let bytes = 0; bytes <= DISK_BYTES; bytes += CHUNK_BYTES) {
      writeFileSync(file, chunk, { flag: 'a' });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  return () => rmSync(file, { force: true });
}
