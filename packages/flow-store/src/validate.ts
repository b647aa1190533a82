/**
 * What a request must look like whatever store it goes to. A request that breaks these rules is a
 * bug of the caller, so the whole call rejects with a RangeError that names the rule.
 */
import {
  ANY_PORT,
  BLOCKS,
  blockOfPort,
  type Endpoint,
  type FilteringByProtocol,
  FlowWidths,
  isPoolPort,
  type PortBlock,
  SHARDS,
  type SocketAddress,
  shardOfBlock,
  shardOfInside,
  Width,
} from '@flowstore/flow';
import type {
  CloseRequest,
  CountRequest,
  FeedRequest,
  LeaseRef,
  LeaseRequest,
  OpenRequest,
  ReassertRequest,
  TouchRequest,
} from './contract.ts';

/** About 49 days: what an unsigned 32-bit age holds, one value kept for "none". */
export const AGE_MS_MAX = 0xfffffffe;

/** Ages travel as whole ms; rounding down makes the flow live a little longer, never shorter. */
export function wholeAgeMs(ageMs: number): number {
  return Math.min(AGE_MS_MAX, Math.max(0, Math.floor(ageMs)));
}

export function checkOpen(
  { inside, remote, proposal }: OpenRequest,
  filtering: FilteringByProtocol,
): void {
  checkRemote(inside, remote, filtering);
  if (proposal !== null && proposal.port !== ANY_PORT) checkOutside(inside, proposal);
}

function checkOutside(inside: Endpoint, { address, port }: SocketAddress): void {
  demand(isPoolPort(port), `port ${port} is not a pool port`);
  const block = { protocol: inside.protocol, address, block: blockOfPort(port) };
  demand(
    shardOfBlock(block) === shardOfInside(inside),
    'an outside endpoint must come from a block of the inside endpoint’s shard',
  );
}

export function checkTouch(
  { inside, remote, outside }: TouchRequest,
  filtering: FilteringByProtocol,
): void {
  checkRemote(inside, remote, filtering);
  checkOutside(inside, outside);
}

/** Without a remote endpoint a close means the whole binding, whatever flows it has. */
export function checkClose({ inside, remote }: CloseRequest, filtering: FilteringByProtocol): void {
  if (remote !== null) checkRemote(inside, remote, filtering);
}

export function checkList({ block }: PortBlock): void {
  demand(Number.isInteger(block) && block >= 0 && block < BLOCKS, `there is no block ${block}`);
}

export function checkShard(shard: number): void {
  demand(Number.isInteger(shard) && shard >= 0 && shard < SHARDS, `there is no shard ${shard}`);
}

export function checkReassert(
  { inside, remote, outside }: ReassertRequest,
  filtering: FilteringByProtocol,
): void {
  checkRemote(inside, remote, filtering);
  checkOutside(inside, outside);
}

export function checkFeed({ shard, incarnation }: FeedRequest): void {
  checkShard(shard);
  checkIncarnation(incarnation);
}

export function checkCount({ shard }: CountRequest): void {
  checkShard(shard);
}

export function checkLease({ shard, blocks, incarnation }: LeaseRequest): void {
  checkShard(shard);
  demand(Number.isInteger(blocks) && blocks > 0, `${blocks} is not a number of blocks`);
  checkIncarnation(incarnation);
}

export function checkLeaseRef({ incarnation }: LeaseRef): void {
  checkIncarnation(incarnation);
}

export function checkIncarnation(incarnation: string): void {
  demand(
    /^[0-9a-f]{16}$/.test(incarnation),
    `"${incarnation}" is not an incarnation: it has 16 hexadecimal digits`,
  );
}

/** A flow is as wide as the filtering wants it. */
function checkRemote(
  { protocol }: Endpoint,
  remote: SocketAddress | null,
  filtering: FilteringByProtocol,
): void {
  const width = new FlowWidths(filtering).of(protocol);
  const perRemote = width !== Width.Binding;
  demand(
    perRemote === (remote !== null),
    `protocol ${protocol} ${perRemote ? 'needs a' : 'takes no'} remote endpoint`,
  );
  demand(
    remote === null || (remote.port === 0) === (width === Width.Address),
    `protocol ${protocol} has flows per ${width === Width.Address ? 'address' : 'endpoint'}`,
  );
}

function demand(holds: boolean, rule: string): void {
  if (!holds) throw new RangeError(`flow store: ${rule}`);
}
