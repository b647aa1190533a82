/**
 * The sweep in the model: looks at the blocks of a shard whose earliest deadline may have passed,
 * and does to each what is due.
 */
import { type ClusterConfig, hasFlowPerRemote } from '@flowstore/flow';
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
};

export function sweepShard(
  shard: ModelShard,
  looksMax: number,
  config: ClusterConfig,
  nowMs: number,
): contract.SweepResult {
  if (!shard.grace.maySweep(config, nowMs)) return SWEPT_NOTHING;
  const due = byDeadline(shard, config, nowMs).filter(({ dueMs }) => dueMs <= nowMs);
  const counts = {
    flowsDeleted: 0,
    bindingsDeleted: 0,
    rowsOrphaned: 0,
    portsFreed: 0,
    leasesExpired: 0,
  };
  let looks = 0;
  let blocks = 0;
  for (const { block } of due) {
    if (looks >= looksMax) break;
    looks += looksAt(shard, block);
    blocks += 1;
    sweepBlock(shard, block, counts, config, nowMs);
  }
  const [next] = byDeadline(shard, config, nowMs);
  return {
    ...counts,
    inGrace: false,
    looks,
    blocks,
    overdueMs: due.length === 0 ? 0 : nowMs - due[0]!.dueMs,
    nextDueMs: next === undefined ? null : Math.max(0, next.dueMs - nowMs),
  };
}

/** Flows and marks; one at least. */
function looksAt(shard: ModelShard, { rows }: Block): number {
  let looks = 0;
  for (const row of rows.values()) {
    const flows = row.kind === 'quarantined' ? 0 : (shard.entryOfRow(row)?.flows.size ?? 0);
    looks += Math.max(1, flows);
  }
  return Math.max(1, looks);
}

function sweepBlock(
  shard: ModelShard,
  block: Block,
  counts: SweepCounts,
  config: ClusterConfig,
  nowMs: number,
): void {
  // The ports of a block are told void together.
  let below: number | undefined;
  for (const [offset, row] of [...block.rows]) {
    if (row.kind === 'quarantined') {
      if (row.untilMs > nowMs) continue;
      block.rows.delete(offset);
      counts.portsFreed += 1;
      continue;
    }
    const entry = shard.entryOfRow(row);
    if (entry === undefined) {
      shard.orphan(block, offset, row.inside, config, nowMs);
      counts.rowsOrphaned += 1;
      continue;
    }
    for (const [key, flow] of [...entry.flows]) {
      if (flowDeadlineMs(entry, flow, config) > nowMs) continue;
      entry.flows.delete(key);
      counts.flowsDeleted += 1;
    }
    if (entryDeadlineMs(entry, config) > nowMs) continue;
    if (!hasFlowPerRemote(block.protocol)) counts.flowsDeleted += 1;
    counts.bindingsDeleted += 1;
    below ??= shard.nextGeneration(nowMs);
    shard.unbind(entry, config, nowMs, below);
  }
  if (shard.ports.expireLease(block, config, nowMs)) counts.leasesExpired += 1;
  if (block.rows.size === 0 && block.lease === null) shard.ports.blocks.delete(blockKey(block));
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
  { rows, lease }: Block,
  config: ClusterConfig,
  nowMs: number,
): number {
  const dues = lease === null ? [] : [lease.untilMs];
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
