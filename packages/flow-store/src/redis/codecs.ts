/** How each batched operation is asked and answered: its shard, its request and reply packed. */
import {
  ANY_PORT,
  BLOCK_PORTS,
  BLOCKS_PER_SHARD,
  blockOfShard,
  type ClusterConfig,
  type Endpoint,
  firstPortOfBlock,
  type PortBlock,
  packDatagram,
  packEndpoint,
  packSocketAddress,
  packSubscriber,
  SHARDS,
  type SocketAddress,
  shardOfBlock,
  shardOfDatagram,
  shardOfInside,
  unpackSocketAddress,
} from '@flowstore/flow';
import type * as contract from '../contract.ts';
import { type AuditFinding, type AuditRequest, findingsOf } from './audit.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { COMMANDS, type CommandName } from './commands.ts';

export interface Codec<Request, Result> {
  readonly command: CommandName;
  shardOf(request: Request): number;
  encode(request: Request): Buffer;
  decode(reply: Buffer, request: Request, config: ClusterConfig): Result;
}

/** The reply's kind, and the fields after it. */
export function readReply<Name extends CommandName>(
  command: Name,
  reply: Buffer,
): { kind: (typeof COMMANDS)[Name]['results'][number]; reader: ByteReader } {
  const reader = new ByteReader(reply);
  const code = reader.u8();
  const kind = COMMANDS[command].results[code];
  if (kind === undefined) throw new RangeError(`${command}: the store answered code ${code}`);
  return { kind, reader };
}

export const openCodec: Codec<contract.OpenRequest, contract.OpenResult> = {
  command: 'open',
  shardOf: ({ inside }) => shardOfInside(inside),
  encode: ({ nonce, seen, replaces, incarnation, inside, remote, proposal, reserved }) =>
    new ByteWriter()
      .u8(inside.protocol)
      .short(proposal === null ? NO_BYTES : proposalFor(inside, proposal, reserved))
      .u32(nonce)
      .sighting(seen)
      .incarnation(incarnation)
      .endpoint(inside)
      .socketAddress(remote)
      .identity(replaces)
      .done(),
  decode(reply, { proposal }) {
    const { kind, reader } = readReply('open', reply);
    if (kind !== 'created' && kind !== 'exists') return { kind };
    return { kind, entry: reader.storedEntry(proposal) };
  },
};

const NO_BYTES = new Uint8Array(0);

/** Where the store is to choose the port, the shard's first block of the address stands for it, and
 * before it stands which of the shard's blocks are reserved. */
function proposalFor(
  { protocol, ...inside }: Endpoint,
  { address, port }: SocketAddress,
  reserved: readonly number[] = [],
): Uint8Array {
  if (port !== ANY_PORT) return packSocketAddress({ address, port });
  const first = blockOfShard(shardOfInside({ protocol, ...inside }), protocol, address, 0);
  return Uint8Array.of(...address, ...indexesOf(reserved), 0, first);
}

/** Of blocks of one shard, which of its blocks they are. */
function indexesOf(blocks: readonly number[]): number[] {
  return blocks.map((block) => Math.floor(block / SHARDS));
}

/** The requests whose shard is known already: the ones that no shard can answer are left out. */
export interface RoutedFind {
  readonly request: contract.FindRequest;
  readonly shard: number;
}

export const findCodec: Codec<RoutedFind, contract.FindResult> = {
  command: 'find',
  shardOf: ({ shard }) => shard,
  encode({ request }) {
    const writer = new ByteWriter();
    if (request.direction === 'inside') {
      const { inside, remote } = request;
      return writer.u8(0).u8(inside.protocol).endpoints(packEndpoint(inside), remote).done();
    }
    const { protocol, outside, remote } = request;
    return writer.u8(1).u8(protocol).endpoints(packSocketAddress(outside), remote).done();
  },
  decode(reply, { request }) {
    const { kind, reader } = readReply('find', reply);
    if (kind !== 'entry') return { kind };
    const asked = request.direction === 'outside' ? request.outside : null;
    return { kind, entry: reader.storedEntry(asked) };
  },
};

export const listCodec: Codec<PortBlock, contract.ListResult> = {
  command: 'list',
  shardOf: shardOfBlock,
  encode: ({ protocol, address, block }) =>
    new ByteWriter().u8(protocol).bytes(address).u16(block).done(),
  decode(reply, { address, block }) {
    const { kind, reader } = readReply('list', reply);
    const first = firstPortOfBlock(block);
    const flows: contract.ListedFlow[] = [];
    while (!reader.atEnd) flows.push(reader.listedFlow({ address, port: first + reader.u8() }));
    return { kind, flows };
  },
};

/** A line about a binding, and how long it is kept. */
export interface RecordRequest {
  readonly inside: Endpoint;
  readonly line: string;
  readonly keepMs: number;
}

export const recordCodec: Codec<RecordRequest, 'recorded'> = {
  command: 'record',
  shardOf: ({ inside }) => shardOfInside(inside),
  encode: ({ line, keepMs }) => new ByteWriter().u48(keepMs).bytes(Buffer.from(line)).done(),
  decode: (reply) => readReply('record', reply).kind,
};

const [ASKS, TELLS, WANTS] = [0, 1, 2];

export const fragmentCodec: Codec<contract.FragmentRequest, contract.FragmentResult> = {
  command: 'fragment',
  shardOf: ({ datagram }) => shardOfDatagram(datagram),
  encode({ datagram, told, start }) {
    const wants = told !== null && told.identification === null;
    return new ByteWriter()
      .u8(wants ? WANTS : told === null ? ASKS : TELLS)
      .u16(told?.identification ?? shardOfDatagram(datagram))
      .u16(start)
      .short(told?.address ?? Buffer.alloc(0))
      .bytes(packDatagram(datagram))
      .done();
  },
  decode(reply) {
    const { kind, reader } = readReply('fragment', reply);
    if (kind === 'unknown') return { kind };
    const identification = reader.u16();
    return { kind, identification, address: new Uint8Array(reader.rest()) };
  },
};

export const touchCodec: Codec<contract.TouchRequest, contract.TouchResult> = {
  command: 'touch',
  shardOf: ({ inside }) => shardOfInside(inside),
  encode: ({ identity, seen, inside, remote, outside }) =>
    new ByteWriter()
      .u8(inside.protocol)
      .socketAddress(outside)
      .identity(identity)
      .sighting(seen)
      .endpoints(packEndpoint(inside), remote)
      .done(),
  decode(reply, { identity }) {
    const { kind, reader } = readReply('touch', reply);
    return kind === 'merged' ? { kind, flow: reader.storedState(identity) } : { kind };
  },
};

export const reassertCodec: Codec<contract.ReassertRequest, contract.ReassertResult> = {
  command: 'reassert',
  shardOf: ({ inside }) => shardOfInside(inside),
  encode: ({ identity, seen, inside, remote, outside, replaces = null }) =>
    new ByteWriter()
      .identity(identity)
      .sighting(seen)
      .identity(replaces)
      .endpoint(inside)
      .socketAddress(remote)
      .socketAddress(outside)
      .done(),
  decode(reply, { identity }) {
    const { kind, reader } = readReply('reassert', reply);
    if (kind === 'restored') return { kind, flow: reader.storedState(identity) };
    return kind === 'exists' ? { kind, entry: reader.storedEntry(null) } : { kind };
  },
};

export const closeCodec: Codec<contract.CloseRequest, contract.CloseResult> = {
  command: 'close',
  shardOf: ({ inside }) => shardOfInside(inside),
  encode: ({ identity, reason, inside, remote }) =>
    new ByteWriter()
      .identity(identity)
      .u8(reason === 'cancel' ? 1 : 0)
      .endpoint(inside)
      .socketAddress(remote)
      .done(),
  decode(reply, { identity }) {
    const { kind, reader } = readReply('close', reply);
    return kind === 'alive' ? { kind, flow: reader.storedState(identity) } : { kind };
  },
};

export const countCodec: Codec<contract.CountRequest, contract.CountResult> = {
  command: 'count',
  shardOf: ({ shard }) => shard,
  encode: ({ subscriber }) => new ByteWriter().bytes(packSubscriber(subscriber)).done(),
  decode(reply) {
    const { kind, reader } = readReply('count', reply);
    return { kind, bindings: reader.u32() };
  },
};

export const feedCodec: Codec<contract.FeedRequest, contract.FeedResult> = {
  command: 'feed',
  shardOf: ({ shard }) => shard,
  encode: ({ incarnation, nonce, last }) =>
    new ByteWriter()
      .incarnation(incarnation)
      .u32(nonce)
      .u48(last?.grace ?? 0)
      .u32(last?.tag ?? 0)
      .short(Buffer.from(last?.id ?? ''))
      .done(),
  decode(reply) {
    const { kind, reader } = readReply('feed', reply);
    const id = Buffer.from(reader.short()).toString();
    const tail = { id, tag: reader.u32(), grace: reader.u48() };
    const inGrace = reader.u8() === 1;
    if (kind === 'gap') return { kind, tail, inGrace };
    const more = reader.u8() === 1;
    const events: contract.FeedEvent[] = [];
    while (!reader.atEnd) events.push(...feedEvents(reader));
    return { kind, events, tail, more, inGrace };
  },
};

const VOID = 0x76; // 'v'
const VOIDS = 0x77; // 'w'
const BEGIN = 0x62; // 'b'
const LEASE = 0x6c; // 'l'

/** None where a feed begins; one for each port where many of a block are void. */
function feedEvents(reader: ByteReader): contract.FeedEvent[] {
  const kind = reader.u8();
  if (kind === BEGIN) {
    reader.u32();
    return [];
  }
  if (kind === LEASE) return [leaseEvent(reader)];
  if (kind === VOIDS) return voidEvents(reader);
  const protocol = reader.u8();
  const outside = unpackSocketAddress(reader.short());
  const remoteBytes = reader.short();
  const remote = remoteBytes.length === 0 ? null : unpackSocketAddress(remoteBytes);
  if (kind === VOID) return [{ kind: 'void', protocol, outside, remote, below: reader.u64() }];
  if (remote === null) throw new RangeError('feed: a closing event without a remote endpoint');
  return [{ kind: 'closing', protocol, outside, remote }];
}

function voidEvents(reader: ByteReader): contract.FeedEvent[] {
  const { protocol, address, block } = portBlock(reader);
  const ports = reader.u16();
  const below = reader.u64();
  const first = firstPortOfBlock(block);
  return Array.from({ length: BLOCK_PORTS }, (_, offset) => offset)
    .filter((offset) => (ports & (1 << offset)) !== 0)
    .map((offset) => {
      const outside = { address, port: first + offset };
      return { kind: 'void', protocol, outside, remote: null, below };
    });
}

function leaseEvent(reader: ByteReader): contract.FeedEvent {
  const block = portBlock(reader);
  const holder = Buffer.from(reader.short()).toString('hex') || null;
  return { kind: 'lease', ...block, holder };
}

function portBlock(reader: ByteReader): PortBlock {
  const [protocol, ...address] = reader.short();
  return { protocol: protocol!, address: Uint8Array.from(address), block: reader.u16() };
}

export const leaseCodec: Codec<contract.LeaseRequest, contract.LeaseResult> = {
  command: 'lease',
  shardOf: ({ shard }) => shard,
  encode: ({ shard, protocol, address, incarnation, blocks, start, reserved = [] }) =>
    new ByteWriter()
      .incarnation(incarnation)
      .u16(Math.min(blocks, BLOCKS_PER_SHARD))
      .u16(blockOfShard(shard, protocol, address, 0))
      .u32(start)
      .u8(1 + address.length)
      .u8(protocol)
      .bytes(address)
      .short(Uint8Array.from(indexesOf(reserved)))
      .done(),
  decode(reply, request, config) {
    const { kind, reader } = readReply('lease', reply);
    if (kind !== 'granted') return { kind };
    const count = reader.u8();
    const blocks = Array.from({ length: count }, () => leasedBlock(reader, request, config));
    return { kind, blocks };
  },
};

export const renewCodec: Codec<contract.LeaseRef, contract.RenewResult> = {
  command: 'renew',
  shardOf: shardOfBlock,
  encode: encodeLeaseRef,
  decode(reply, request, config) {
    const { kind, reader } = readReply('renew', reply);
    if (kind === 'leaseLost') return { kind };
    const block = leasedBlock(reader, request, config);
    return { kind, block, rowsAreSure: reader.u8() === 1 };
  },
};

export const releaseCodec: Codec<contract.LeaseRef, contract.ReleaseResult> = {
  command: 'release',
  shardOf: shardOfBlock,
  encode: encodeLeaseRef,
  decode: (reply) => ({ kind: readReply('release', reply).kind }),
};

function encodeLeaseRef({ incarnation, protocol, address, block }: contract.LeaseRef): Buffer {
  return new ByteWriter()
    .incarnation(incarnation)
    .u8(1 + address.length + 2)
    .u8(protocol)
    .bytes(address)
    .u16(block)
    .done();
}

/** The store's end of the lease less the clock skew: the gateway must stop before. */
function leasedBlock(
  reader: ByteReader,
  { protocol, address }: Pick<contract.LeaseRef, 'protocol' | 'address'>,
  { leaseMs, slack }: ClusterConfig,
): contract.LeasedBlock {
  const block = reader.u16();
  return { protocol, address, block, freePorts: reader.u16(), lifeMs: leaseMs - slack.clockSkewMs };
}

export const auditCodec: Codec<AuditRequest, readonly AuditFinding[] | 'notYet'> = {
  command: 'audit',
  shardOf: ({ shard }) => shard,
  encode: ({ subject }) => subject,
  decode(reply, request) {
    const { kind, reader } = readReply('audit', reply);
    return kind === 'notYet' ? kind : findingsOf(request, reader.u16());
  },
};

const NONE_DUE = 2 ** 48 - 1;

export function encodeSweep(looksMax: number): Buffer {
  return new ByteWriter().u32(looksMax).done();
}

/** `held`: for how many us, as a runner tells of scripts that are timed. */
export function decodeSweep(reply: Buffer, held: Buffer | undefined): contract.SweepResult {
  const { reader } = readReply('sweep', reply);
  const blocks = reader.u32();
  const flowsDeleted = reader.u32();
  const bindingsDeleted = reader.u32();
  const rowsOrphaned = reader.u32();
  const portsFreed = reader.u32();
  const leasesExpired = reader.u32();
  const inGrace = reader.u8() === 1;
  const overdueMs = reader.u48();
  const next = reader.u48();
  const looks = reader.u32();
  const nextDueMs = next === NONE_DUE ? null : next;
  const recounts = reader.u8();
  const heldMs = held === undefined ? null : held.readUInt32BE() / 1_000;
  return {
    looks,
    blocks,
    flowsDeleted,
    bindingsDeleted,
    rowsOrphaned,
    portsFreed,
    leasesExpired,
    inGrace,
    recounts,
    overdueMs,
    nextDueMs,
    heldMs,
  };
}
