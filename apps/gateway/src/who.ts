/**
 * Who had an outside endpoint at an instant, by the session log.
 *
 *   node apps/gateway/src/who.ts --at 2026-11-26T14:05:12Z 203.0.113.5:40123 sessions.jsonl*
 *
 * One line per protocol; exit 0 where somebody had it, 1 where nobody had, 2 for a bad question.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Command, InvalidArgumentError } from 'commander';
import type { SessionRecord } from './session-log.ts';

/** How far the clocks of gateways may be apart: ends that close to a beginning are looked at. */
const CLOCKS_MS = 5_000;

/** The last one to begin before the instant, by protocol, unless it ended before. */
export async function whoHad(
  outside: string,
  atMs: number,
  lines: AsyncIterable<string>,
): Promise<SessionRecord[]> {
  const begun = new Map<string, SessionRecord>();
  const ended = new Map<string, number>();
  for await (const line of lines) {
    const record = readRecord(line);
    if (record?.outside !== outside) continue;
    const { event, protocol, generation } = record;
    const key = `${protocol}/${generation}`;
    const recordMs = Date.parse(record.at);
    if (event === 'end') {
      ended.set(key, Math.min(recordMs, ended.get(key) ?? recordMs));
      continue;
    }
    const before = begun.get(protocol);
    // Of one binding the opener's line is the earliest.
    const isLater = before === undefined || generation > before.generation;
    const isEarlier = before?.generation === generation && recordMs < Date.parse(before.at);
    if (recordMs <= atMs + CLOCKS_MS && (isLater || isEarlier)) begun.set(protocol, record);
  }
  return [...begun.values()].filter(({ protocol, generation }) => {
    return (ended.get(`${protocol}/${generation}`) ?? Number.POSITIVE_INFINITY) + CLOCKS_MS >= atMs;
  });
}

/** null: no record (a line cut short by a crash, for one). */
function readRecord(line: string): SessionRecord | null {
  try {
    return JSON.parse(line) as SessionRecord;
  } catch {
    return null;
  }
}

async function* linesOf(files: readonly string[]): AsyncGenerator<string> {
  for (const file of files) yield* createInterface({ input: createReadStream(file) });
}

function instant(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('an instant such as 2026-11-26T14:05:12Z');
  return ms;
}

function endpoint(text: string): string {
  if (/^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):\d+$/.test(text)) return text;
  throw new InvalidArgumentError('an address and a port such as 203.0.113.5:40123');
}

if (import.meta.main) {
  const program = new Command('who')
    .requiredOption('--at <instant>', 'when', instant)
    .argument('<outside>', 'the outside endpoint', endpoint)
    .argument('<files...>', 'session logs, of all gateways')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .parse();
  const [outside, files] = program.processedArgs as [string, string[]];
  const found = await whoHad(outside, program.opts<{ at: number }>().at, linesOf(files));
  for (const { protocol, inside, at, domain } of found) {
    console.log(`${protocol} ${inside} (domain ${domain}) since ${at}`);
  }
  process.exitCode = found.length > 0 ? 0 : 1;
}
