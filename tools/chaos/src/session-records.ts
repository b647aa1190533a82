/** What the gateways' session logs say of a flow: how each came to know of it, and until when. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of one inside endpoint: the last ones tell what there is to know. */
const TOLD_MAX = 12;

interface SessionRecord {
  readonly at: string;
  readonly inside: string;
  readonly gateway: string;
}

/** By inside endpoint, in the order of time. A line that a full disk cut off is left out. */
export function readSessionRecords(folder: string): (inside: string) => string[] {
  const byInside = new Map<string, string[]>();
  const lines = readdirSync(folder)
    .filter((file) => file.includes('.jsonl'))
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  for (const line of lines.sort()) {
    const record = parse(line);
    if (record === null) continue;
    const told = byInside.get(record.inside);
    if (told === undefined) byInside.set(record.inside, [line]);
    else told.push(line);
  }
  return (inside) => byInside.get(inside)?.slice(-TOLD_MAX) ?? [];
}

function parse(line: string): SessionRecord | null {
  try {
    return JSON.parse(line) as SessionRecord;
  } catch {
    return null;
  }
}
