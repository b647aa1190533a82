/**
 * The sweep in the model: looks at the blocks of a shard whose earliest deadline may have passed,
 * and does to each what is due.
 */
import { type ClusterConfig, hasFlowPerRemote, type PortRow } from '@flowstore/flow';
import type * as contract from '../contract.ts';
import { type Block, blockKey } from './model-block.ts';
import { entryDeadlineMs, firstDeadlineMs, flowDeadlineMs } from './model-entry.ts';
import type { ModelShard } from './model-shard.ts';

/** What a sweep did; the rest of its result is about what is left to do. */
type SweepCounts = Record<
  'flowsDeleted' | 'bindingsDeleted' | 'rowsOrphaned' | 'portsFreed' | 'leasesExpired',
  number
>;

/** In grace: to be asked again when something may have changed. */
const SWEPT_NOTHING: contract.SweepResult = {
  looks: 0,
  blocks: 0,
  flowsDeleted: 0,
  bindingsDeleted: 0,
  rowsOrphaned: 0,
  portsFreed: 0,
  leasesExpired: 0,
  inGrace: true,
  overdueMs: 0,
  nextDueMs: null,
  recounts: 0,
  heldMs: null,
};

export function sweepShard(
  shard: ModelShard,
  looksMax: number,
  config: ClusterConfig,
  nowMs: number,
): contract.SweepResult {
  if (!shard.grace.maySweep(config, nowMs)) return SWEPT_NOTHING;
  const before = byDeadline(shard, config, nowMs);
  const due = before.filter(({ dueMs }) => dueMs <= nowMs);
  const counts = {
    flowsDeleted: 0,
    bindingsDeleted: 0,
    rowsOrphaned: 0,
    portsFreed: 0,
    leasesExpired: 0,
  };
  let looks = 0;
  let blocks = 0;
  for (const { block, dueMs } of due) {
    if (looks >= looksMax) break;
    const swept = sweepBlock(shard, block, counts, looksMax - looks, config, nowMs);
    looks += swept.looks;
    block.goOn = swept.goOn === null ? null : { offset: swept.goOn, dueMs };
    blocks += 1;
  }
  const [next] = due.length === 0 ? before : byDeadline(shard, config, nowMs);
  return {
    ...counts,
    inGrace: false,
    looks,
    blocks,
    overdueMs: due.length === 0 ? 0 : nowMs - due[0]!.dueMs,
    nextDueMs: next === undefined ? null : Math.max(0, next.dueMs - nowMs),
    // It counts when it is asked.
    recounts: 0,
    heldMs: null,
  };
}

/** Of a port: its flows, or its mark. */
function looksAt(shard: ModelShard, row: PortRow): number {
  if (row.kind === 'quarantined') return 1;
  return Math.max(1, shard.entryOfRow(row)?.flows.size ?? 0);
}

/** Port by port until the looks are used up. With the last one the lease may end, too. */
function sweepBlock(
  shard: ModelShard,
  block: Block,
  counts: SweepCounts,
  looksMax: number,
  config: ClusterConfig,
  nowMs: number,
): { looks: number; goOn: number | null } {
  // The ports of a block are told void together.
  let below: number | undefined;
  const nextBelow = () => {
    below ??= shard.nextGeneration(nowMs);
    return below;
  };
  let looks = 0;
  const from = block.goOn?.offset ?? 0;
  const rows = [...block.rows].filter(([offset]) => offset >= from);
  for (const [offset, row] of rows.sort(([a], [b]) => a - b)) {
    if (looks >= looksMax) return { looks, goOn: offset };
    looks += looksAt(shard, row);
    sweepRow(shard, block, offset, row, counts, nextBelow, config, nowMs);
  }
  if (shard.ports.expireLease(block, config, nowMs)) counts.leasesExpired += 1;
  if (block.rows.size === 0 && block.lease === null) shard.ports.blocks.delete(blockKey(block));
  return { looks: Math.max(1, looks), goOn: null };
}

function sweepRow(
  shard: ModelShard,
  block: Block,
  offset: number,
  row: PortRow,
  counts: SweepCounts,
  nextBelow: () => number,
  config: ClusterConfig,
  nowMs: number,
): void {
  if (row.kind === 'quarantined') {
    if (row.untilMs > nowMs) return;
    block.rows.delete(offset);
    counts.portsFreed += 1;
    return;
  }
  const entry = shard.entryOfRow(row);
  if (entry === undefined) {
    shard.orphan(block, offset, row.inside, config, nowMs);
    counts.rowsOrphaned += 1;
    return;
  }
  for (const [key, flow] of [...entry.flows]) {
    if (flowDeadlineMs(entry, flow, config) > nowMs) continue;
    entry.flows.delete(key);
    counts.flowsDeleted += 1;
  }
  if (entryDeadlineMs(entry, config) > nowMs) return;
  if (!hasFlowPerRemote(config.filtering, block.protocol)) counts.flowsDeleted += 1;
  counts.bindingsDeleted += 1;
  shard.unbind(entry, config, nowMs, nextBelow());
}

/** Every block that holds something, the one to be looked at first in front. */
function byDeadline(
  shard: ModelShard,
  config: ClusterConfig,
  nowMs: number,
): { block: Block; dueMs: number }[] {
  const blocks = [...shard.ports.blocks.values()];
  return blocks
    .filter(({ rows, lease }) => rows.size > 0 || lease !== null)
    .map((block) => ({ block, dueMs: dueMs(shard, block, config, nowMs) }))
    .sort((a, b) => a.dueMs - b.dueMs);
}

/** An orphaned row wants its quarantine at once. */
function dueMs(
  shard: ModelShard,
  { rows, lease, goOn }: Block,
  config: ClusterConfig,
  nowMs: number,
): number {
  const dues = lease === null ? [] : [lease.untilMs];
  if (goOn !== null) dues.push(goOn.dueMs);
  for (const row of rows.values()) {
    if (row.kind === 'quarantined') {
      dues.push(row.untilMs);
    } else {
      const entry = shard.entryOfRow(row);
      dues.push(entry === undefined ? nowMs : firstDeadlineMs(entry, config));
    }
  }
  return Math.min(...dues);
}
