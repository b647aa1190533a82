/**
 * Reads all of a Redis database with the record codecs of @flowstore/flow and holds it to what must
 * be true of it at any instant, whatever was done:
 *
 * - every key has a TTL, the configuration aside, that outlives what it is the backstop of;
 * - I1: two bindings never share an outside endpoint;
 * - every binding has its row, under its identity, unless its row was lost with it;
 * - subscribers have as many ports as is counted, unless the shard says that this is not sure;
 * - the index names every block that holds something, early enough for all that is due in it.
 */
import {
  BLOCK_PORTS,
  type ClusterConfig,
  deadlineMs,
  type Endpoint,
  FLOW_RECORD_BYTES,
  firstPortOfBlock,
  formatEndpoint,
  hasFlowPerRemote,
  identityEquals,
  packEndpoint,
  packSubscriber,
  unpackBindingRecord,
  unpackEndpoint,
  unpackFlowRecord,
  unpackLeaseRecord,
  unpackPortRow,
} from '@flowstore/flow';
import { mastersOf, type RedisClient } from '../redis/redis-client.ts';

/** Between PTTL's being set and our reading it real time went by. */
const READ_LATE_MS = 10_000;

interface Hash {
  readonly key: Buffer;
  readonly tag: string;
  /** What follows the tag in the key. */
  readonly subject: Buffer;
  readonly fields: Map<string, Buffer>;
  readonly ttlMs: number;
}

interface Index {
  readonly ttlMs: number;
  readonly scores: Map<string, number>;
  /** False where blocks went by their TTL, until the next sweep. */
  readonly isCounted: boolean;
}

/** Throws an Error that says what is wrong. */
export async function checkStored(
  redis: RedisClient,
  config: ClusterConfig,
  nowMs: number,
  inThisLayout = (bytes: Buffer) => bytes,
): Promise<void> {
  const hashes: Hash[] = [];
  const indexes = new Map<string, Index>();
  const found = await Promise.all(mastersOf(redis).map((master) => master.keysBuffer('*')));
  const keys = found.flat();
  const ttls = await Promise.all(keys.map((key) => redis.pttl(key)));
  for (const [place, key] of keys.entries()) {
    const [, kind, tag] = /^(\w):\{(\w+)\}/.exec(key.toString('latin1')) ?? [];
    const ttlMs = ttls[place]!;
    if (kind === undefined || tag === undefined) throw new Error(`unknown key ${show(key)}`);
    if (ttlMs < 0 && kind !== 'c' && kind !== 'd') throw new Error(`key without TTL: ${show(key)}`);
    if (kind === 'i') {
      const scores = await scoresOf(redis, key);
      const isCounted = (await redis.hget(`s:{${tag}}`, 'n')) !== '0';
      indexes.set(tag, { ttlMs, scores, isCounted });
    } else if (kind === 'e' || kind === 'p' || kind === 'n') {
      const fields = await fieldsOf(redis, key, kind, inThisLayout);
      const subject = key.subarray(`e:{${tag}}:`.length);
      hashes.push({ key, tag, subject, fields, ttlMs });
    }
  }
  const entries = hashes.filter(({ key }) => key[0] === 0x65);
  const blocks = hashes.filter(({ key }) => key[0] === 0x70);
  const counts = hashes.filter(({ key }) => key[0] === 0x6e);
  const tags = [...indexes.keys()].filter((tag) => indexes.get(tag)!.isCounted);
  for (const tag of tags) {
    const ofTag = (hash: Hash) => hash.tag === tag;
    checkCounts(counts.filter(ofTag), blocks.filter(ofTag), config);
  }
  for (const entry of entries) checkEntry(entry, blocks, config, nowMs);
  for (const block of blocks) {
    const index = indexes.get(block.tag);
    if (index === undefined) throw new Error(`no index: ${show(block.key)}`);
    if (index.ttlMs < block.ttlMs - READ_LATE_MS) throw new Error('an index goes before a block');
    checkBlock(block, entries, looksOf(block, index), config, nowMs);
  }
}

function checkEntry(entry: Hash, blocks: Hash[], config: ClusterConfig, nowMs: number): void {
  const { binding, inside, lastMs } = readEntry(entry, config);
  const { address, port } = binding.outside;
  const number = Math.floor((port - firstPortOfBlock(0)) / BLOCK_PORTS);
  const member = Buffer.from([inside.protocol, ...address, number >> 8, number & 0xff]);
  const block = blocks.find(({ subject }) => subject.equals(member));
  const row = block?.fields.get(String.fromCharCode(port % BLOCK_PORTS));
  const what = formatEndpoint(inside);
  if (block === undefined || row === undefined) throw new Error(`${what} has no row`);
  const held = unpackPortRow(row);
  if (held.kind !== 'bound' || !identityEquals(held.identity, binding)) {
    throw new Error(`the row of ${what} is another's: its outside endpoint may be shared`);
  }
  if (!entry.subject.equals(packEndpoint(held.inside))) throw new Error(`${what}: foreign row`);
  const needMs = Math.max(0, lastMs - nowMs) + config.ttlMarginMs - READ_LATE_MS;
  if (entry.ttlMs < needMs) throw new Error(`${what} goes ${needMs - entry.ttlMs} ms early`);
  if (block.ttlMs < needMs + config.quarantineMs)
    throw new Error(`the block of ${what} goes early`);
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
  entries: Hash[],
  looksAtMs: (offset: number) => number,
  config: ClusterConfig,
  nowMs: number,
): void {
  for (const [field, bytes] of block.fields) {
    const offset = field === 'L' ? BLOCK_PORTS : field.charCodeAt(0);
    const dueMs = dueOfField(field, bytes, entries, config);
    const lateMs = looksAtMs(offset) - dueMs;
    if (lateMs > 0) throw new Error(`${show(block.key)} is looked at ${lateMs} ms late`);
    const needMs = Math.max(0, dueMs - nowMs) + config.ttlMarginMs - READ_LATE_MS;
    if (dueMs < Number.POSITIVE_INFINITY && block.ttlMs < needMs)
      throw new Error(`${show(block.key)} goes before what it holds`);
  }
}

/** When a port or the lease wants a look; a row whose entry is gone wants none. */
function dueOfField(field: string, bytes: Buffer, entries: Hash[], config: ClusterConfig): number {
  if (field === 'L') return unpackLeaseRecord(bytes).untilMs;
  const row = unpackPortRow(bytes);
  if (row.kind === 'quarantined') return row.untilMs;
  const packed = packEndpoint(row.inside);
  const entry = entries.find(({ subject }) => subject.equals(packed));
  return entry === undefined ? Number.POSITIVE_INFINITY : readEntry(entry, config).dueMs;
}

function readEntry(entry: Hash, config: ClusterConfig) {
  const inside: Endpoint = unpackEndpoint(entry.subject);
  const binding = unpackBindingRecord(entry.fields.get('b')!);
  const flows = [...entry.fields].filter(([field]) => field !== 'b');
  const states = hasFlowPerRemote(config.filtering, inside.protocol)
    ? flows.map(([, bytes]) => unpackFlowRecord(bytes))
    : [binding];
  if (states.length === 0) throw new Error(`${formatEndpoint(inside)} has no flow`);
  const deadlines = states.map((state) =>
    deadlineMs(config.timeouts, config.slack, inside.protocol, state),
  );
  return { inside, binding, dueMs: Math.min(...deadlines), lastMs: Math.max(...deadlines) };
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

async function fieldsOf(
  redis: RedisClient,
  key: Buffer,
  kind: string,
  inThisLayout: (bytes: Buffer) => Buffer,
): Promise<Map<string, Buffer>> {
  const flat = (await redis.callBuffer('HGETALL', key)) as Buffer[];
  const fields = new Map<string, Buffer>();
  for (let i = 0; i < flat.length; i += 2) {
    const isRecord = kind === 'e' && flat[i]!.length > 1;
    const bytes = kind === 'e' ? inThisLayout(flat[i + 1]!) : flat[i + 1]!;
    if (isRecord && bytes.length !== FLOW_RECORD_BYTES) throw new Error('odd flow record');
    fields.set(flat[i]!.toString('latin1'), bytes);
  }
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

function show(key: Buffer): string {
  return JSON.stringify(key.toString('latin1'));
}
