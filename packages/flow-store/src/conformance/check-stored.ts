/**
 * Reads all of a Redis database with the record codecs of @flowstore/flow and holds it to what must
 * be true of it at any instant, whatever was done:
 *
 * - every key has a TTL, the configuration aside, that outlives what it is the backstop of;
 * - I1: two bindings never share an outside endpoint, since each has its row;
 * - every entry leads to a row that is bound to it, unless the row was lost;
 * - a row knows whether there are further flows, and no flows are without a row;
 * - subscribers have as many ports as is counted, unless the shard says that this is not sure;
 * - the index names every block that holds something, early enough for all that is due in it.
 */
import {
  BLOCK_PORTS,
  type BoundRow,
  type ClusterConfig,
  deadlineMs,
  FLOW_RECORD_BYTES,
  firstPortOfBlock,
  formatEndpoint,
  hasFlowPerRemote,
  packEndpoint,
  packSubscriber,
  unpackEndpoint,
  unpackEntry,
  unpackFlowRecord,
  unpackLeaseRecord,
  unpackPortRow,
} from '@flowstore/flow';
import { mastersOf, type RedisClient } from '../redis/redis-client.ts';

/** Between PTTL's being set and our reading it real time went by. */
const READ_LATE_MS = 10_000;

interface Key {
  readonly key: Buffer;
  readonly tag: string;
  /** What follows the tag in the key. */
  readonly subject: Buffer;
  readonly ttlMs: number;
}

interface Hash extends Key {
  readonly fields: Map<string, Buffer>;
}

interface Entry extends Key {
  readonly value: Buffer;
}

interface Index {
  readonly ttlMs: number;
  readonly scores: Map<string, number>;
  /** False where blocks went by their TTL, until sweeps have counted anew. */
  readonly isCounted: boolean;
}

interface Stored {
  /** By tag and inside endpoint. */
  readonly entries: Map<string, Entry>;
  readonly flows: Map<string, Hash>;
  /** By tag and member. */
  readonly blocks: Map<string, Hash>;
  readonly counts: Hash[];
  readonly indexes: Map<string, Index>;
}

export interface CheckOptions {
  /** A port's row, whichever its layout, in this release's. */
  readonly inThisLayout: (bytes: Buffer) => Buffer;
  /** Whether blocks were lost, so that entries may lead nowhere. */
  readonly mayDangle: boolean;
}

/** Throws an Error that says what is wrong. */
export async function checkStored(
  redis: RedisClient,
  config: ClusterConfig,
  nowMs: number,
  { inThisLayout, mayDangle }: CheckOptions,
): Promise<void> {
  const stored = await readStored(redis, inThisLayout);
  const { entries, flows, blocks, counts, indexes } = stored;
  for (const [tag, { isCounted }] of indexes) {
    if (!isCounted) continue;
    const ofTag = (hash: Hash) => hash.tag === tag;
    checkCounts(counts.filter(ofTag), [...blocks.values()].filter(ofTag), config);
  }
  for (const entry of entries.values()) {
    const row = rowOf(entry, stored);
    if (row === null && !mayDangle) throw new Error(`${nameOf(entry)} has no row of its own`);
    if (row !== null) checkEntry(entry, row, stored, config, nowMs);
  }
  for (const { key, tag, subject } of flows.values()) {
    const entry = entries.get(idOf(tag, subject));
    if (entry === undefined || rowOf(entry, stored)?.hasMore !== true)
      throw new Error(`flows without a row: ${show(key)}`);
  }
  for (const block of blocks.values()) {
    const index = indexes.get(block.tag);
    if (index === undefined) throw new Error(`no index: ${show(block.key)}`);
    if (index.ttlMs < block.ttlMs - READ_LATE_MS) throw new Error('an index goes before a block');
    checkBlock(block, stored, looksOf(block, index), config, nowMs);
  }
}

async function readStored(
  redis: RedisClient,
  inThisLayout: CheckOptions['inThisLayout'],
): Promise<Stored> {
  const stored: Stored = {
    entries: new Map(),
    flows: new Map(),
    blocks: new Map(),
    counts: [],
    indexes: new Map(),
  };
  const found = await Promise.all(mastersOf(redis).map((master) => master.keysBuffer('*')));
  for (const key of found.flat()) {
    const name = key.toString('latin1');
    const [whole, kind = 'e', tag] = /^(?:(\w):)?\{(\w+)\}:?/.exec(name) ?? [];
    if (whole === undefined || tag === undefined) throw new Error(`unknown key ${show(key)}`);
    const ttlMs = await redis.pttl(key);
    if (ttlMs < 0 && kind !== 'c' && kind !== 'd') throw new Error(`key without TTL: ${show(key)}`);
    const subject = key.subarray(kind === 'e' ? `{${tag}}`.length : whole.length);
    const at = { key, tag, subject, ttlMs };
    const id = idOf(tag, subject);
    if (kind === 'i') {
      const counted = await redis.hget(`s:{${tag}}`, 'n');
      const isCounted = counted === null || counted === '1';
      stored.indexes.set(tag, { ttlMs, scores: await scoresOf(redis, key), isCounted });
    } else if (kind === 'e') {
      stored.entries.set(id, { ...at, value: (await redis.getBuffer(key))! });
    } else if (kind === 'x') {
      stored.flows.set(id, { ...at, fields: await fieldsOf(redis, key) });
    } else if (kind === 'n' && subject.length > 0) {
      stored.counts.push({ ...at, fields: await fieldsOf(redis, key) });
    } else if (kind === 'p') {
      const fields = await fieldsOf(redis, key);
      for (const [field, bytes] of fields)
        if (field !== 'L') fields.set(field, inThisLayout(bytes));
      stored.blocks.set(id, { ...at, fields });
    }
  }
  return stored;
}

/** The row to which the entry leads; null where that is not bound to it. */
function rowOf({ tag, subject, value }: Entry, { blocks }: Stored): BoundRow | null {
  const { address, port } = unpackEntry(value);
  const number = Math.floor((port - firstPortOfBlock(0)) / BLOCK_PORTS);
  const { protocol } = unpackEndpoint(subject);
  const member = Buffer.from([protocol, ...address, number >> 8, number & 0xff]);
  const bytes = blocks.get(idOf(tag, member))?.fields.get(String.fromCharCode(port % BLOCK_PORTS));
  const row = bytes && unpackPortRow(bytes);
  return row?.kind === 'bound' && subject.equals(packEndpoint(row.inside)) ? row : null;
}

function checkEntry(
  entry: Entry,
  row: BoundRow,
  { flows, blocks }: Stored,
  config: ClusterConfig,
  nowMs: number,
): void {
  const what = nameOf(entry);
  const further = flows.get(idOf(entry.tag, entry.subject));
  if (row.hasMore !== (further !== undefined)) throw new Error(`${what}: where are its flows?`);
  if ((row.state === null) !== hasFlowPerRemote(config.filtering, row.inside.protocol))
    throw new Error(`${what} has flows, or none, against its protocol`);
  const deadlines = deadlinesOf(row, further, config);
  if (deadlines.length === 0) throw new Error(`${what} has no flow`);
  const needMs =
    Math.max(0, ...deadlines.map((at) => at - nowMs)) + config.ttlMarginMs - READ_LATE_MS;
  if (entry.ttlMs < needMs) throw new Error(`${what} goes ${needMs - entry.ttlMs} ms early`);
  const furtherMs = Math.max(0, ...furtherDeadlines(row, further, config).map((at) => at - nowMs));
  if (further !== undefined && further.ttlMs < furtherMs)
    throw new Error(`${what}: flows go early`);
  const { address, port } = unpackEntry(entry.value);
  const number = Math.floor((port - firstPortOfBlock(0)) / BLOCK_PORTS);
  const member = Buffer.from([row.inside.protocol, ...address, number >> 8, number & 0xff]);
  const block = blocks.get(idOf(entry.tag, member))!;
  if (block.ttlMs < needMs + config.quarantineMs)
    throw new Error(`the block of ${what} goes early`);
}

function furtherDeadlines(row: BoundRow, further: Hash | undefined, config: ClusterConfig) {
  return [...(further?.fields.values() ?? [])].map((bytes) => {
    if (bytes.length !== FLOW_RECORD_BYTES) throw new Error('odd flow record');
    const { timeouts, slack } = config;
    return deadlineMs(timeouts, slack, row.inside.protocol, unpackFlowRecord(bytes));
  });
}

function deadlinesOf(row: BoundRow, further: Hash | undefined, config: ClusterConfig): number[] {
  const own = row.state ?? row.first;
  const { timeouts, slack } = config;
  return [
    ...(own === null ? [] : [deadlineMs(timeouts, slack, row.inside.protocol, own)]),
    ...furtherDeadlines(row, further, config),
  ];
}

/** When the sweep looks at a port of the block; the lease is looked at with the last one. A block
 * that a call did not look at to its end is gone on with, from a port on. */
function looksOf(block: Hash, { scores }: Index): (offset: number) => number {
  const member = block.subject.toString('latin1');
  const score = scores.get(member);
  if (score === undefined) throw new Error(`not indexed: ${show(block.key)}`);
  const goOn = scores.get(`${member}\0`) ?? Number.POSITIVE_INFINITY;
  const from = (goOn % 1) * BLOCK_PORTS;
  return (offset) => (offset >= from ? Math.min(score, Math.floor(goOn)) : score);
}

function checkBlock(
  block: Hash,
  stored: Stored,
  looksAtMs: (offset: number) => number,
  config: ClusterConfig,
  nowMs: number,
): void {
  for (const [field, bytes] of block.fields) {
    const offset = field === 'L' ? BLOCK_PORTS : field.charCodeAt(0);
    const dueMs = dueOfField(block, field, bytes, stored, config);
    const lateMs = looksAtMs(offset) - dueMs;
    if (lateMs > 0) throw new Error(`${show(block.key)} is looked at ${lateMs} ms late`);
    const needMs = Math.max(0, dueMs - nowMs) + config.ttlMarginMs - READ_LATE_MS;
    if (dueMs < Number.POSITIVE_INFINITY && block.ttlMs < needMs)
      throw new Error(`${show(block.key)} goes before what it holds`);
  }
}

/** When a port or the lease wants a look; a row that nothing leads to wants none. */
function dueOfField(
  block: Hash,
  field: string,
  bytes: Buffer,
  stored: Stored,
  config: ClusterConfig,
): number {
  if (field === 'L') return unpackLeaseRecord(bytes).untilMs;
  const row = unpackPortRow(bytes);
  if (row.kind === 'quarantined') return row.untilMs;
  const id = idOf(block.tag, Buffer.from(packEndpoint(row.inside)));
  const entry = stored.entries.get(id);
  const led = entry === undefined ? null : rowOf(entry, stored);
  if (led === null || led.identity.generation !== row.identity.generation)
    return Number.POSITIVE_INFINITY;
  return Math.min(...deadlinesOf(row, stored.flows.get(id), config));
}

/** The bound rows of each shard, by subscriber, are what is counted; a count outlives its rows. */
function checkCounts(counts: Hash[], blocks: Hash[], config: ClusterConfig): void {
  const expected = new Map<string, { ports: number; ttlMs: number }>();
  for (const { tag, fields, ttlMs } of config.bindingsPerSubscriberMax > 0 ? blocks : []) {
    for (const [field, bytes] of fields) {
      const row = field === 'L' ? null : unpackPortRow(bytes);
      if (row?.kind !== 'bound') continue;
      const key = `${tag}/${Buffer.from(packSubscriber(row.inside)).toString('latin1')}`;
      const { ports = 0, ttlMs: longestMs = 0 } = expected.get(key) ?? {};
      expected.set(key, { ports: ports + 1, ttlMs: Math.max(longestMs, ttlMs) });
    }
  }
  const stored = counts.flatMap(({ tag, fields, ttlMs }) =>
    [...fields].map(([field, bytes]) => ({ key: `${tag}/${field}`, ports: Number(bytes), ttlMs })),
  );
  for (const { key, ports, ttlMs } of stored) {
    const rows = expected.get(key)?.ports ?? 0;
    if (ports !== rows) throw new Error(`${JSON.stringify(key)}: ${ports} counted, ${rows} bound`);
    // A block also outlives a lease or a mark, which may be longer than its rows need.
    const needMs = Math.min(expected.get(key)!.ttlMs, config.ttlMarginMs) - READ_LATE_MS;
    if (ttlMs < needMs) throw new Error(`the count of ${JSON.stringify(key)} goes early`);
    expected.delete(key);
  }
  for (const key of expected.keys()) throw new Error(`${JSON.stringify(key)} is not counted`);
}

async function fieldsOf(redis: RedisClient, key: Buffer): Promise<Map<string, Buffer>> {
  const flat = (await redis.callBuffer('HGETALL', key)) as Buffer[];
  const fields = new Map<string, Buffer>();
  for (let i = 0; i < flat.length; i += 2) fields.set(flat[i]!.toString('latin1'), flat[i + 1]!);
  return fields;
}

async function scoresOf(redis: RedisClient, key: Buffer): Promise<Map<string, number>> {
  const flat = (await redis.callBuffer('ZRANGE', key, '0', '-1', 'WITHSCORES')) as Buffer[];
  const scores = new Map<string, number>();
  for (let i = 0; i < flat.length; i += 2) {
    scores.set(flat[i]!.toString('latin1'), Number(flat[i + 1]));
  }
  return scores;
}

function idOf(tag: string, subject: Buffer): string {
  return `${tag}/${subject.toString('latin1')}`;
}

function nameOf({ subject }: Entry): string {
  return formatEndpoint(unpackEndpoint(subject));
}

function show(key: Buffer): string {
  return JSON.stringify(key.toString('latin1'));
}
