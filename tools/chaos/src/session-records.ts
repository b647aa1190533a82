/** What the gateways' session logs say of a flow: how each came to know of it, and until when. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of one inside endpoint: the last ones tell what there is to know. */
const TOLD_MAX = 12;

type Records = ReadonlyMap<string, readonly string[]>;

/** By inside endpoint, in the order of time; read when the first is asked for. */
export function sessionRecords(folder: string): (inside: string) => readonly string[] {
  let records: Records | null = null;
  return (inside) => {
    records ??= readAll(folder);
    return records.get(inside)?.slice(-TOLD_MAX) ?? [];
  };
}

function readAll(folder: string): Records {
  const byInside = new Map<string, string[]>();
  const lines = readdirSync(folder)
    .filter((file) => file.includes('.jsonl'))
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  for (const line of lines.sort()) {
    const inside = insideIn(line);
    if (inside === null) continue;
    const told = byInside.get(inside);
    if (told === undefined) byInside.set(inside, [line]);
    else told.push(line);
  }
  return byInside;
}

/** Null where a full disk cut the line off. */
function insideIn(line: string): string | null {
  try {
    return (JSON.parse(line) as { inside: string }).inside;
  } catch {
    return null;
  }
}
