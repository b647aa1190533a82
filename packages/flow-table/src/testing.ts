/** Flows and keys for this package's tests and measurements. */
import { OUTSIDE_DOMAIN, TCP } from '@flowstore/flow';
import type { FlowInput, PutResult } from './flow-input.ts';
import type { FlowTable } from './flow-table.ts';
import type { FlowKeys } from './rows.ts';

export const START_MS = 1_000_000;

/** A TCP flow of its own for each n below 2^32, due 60 s after the start. */
export function flowOf(n: number, overrides: Partial<FlowInput> = {}): FlowInput {
  return {
    domain: 0,
    protocol: TCP,
    insideAddress: (0xc6120000 + (n >>> 16)) >>> 0,
    insidePort: n & 0xffff,
    remoteAddress: 0xc6336414,
    remotePort: 443,
    outsideAddress: (0xcb007100 + (n >>> 16)) >>> 0,
    outsidePort: n & 0xffff,
    generation: 1_700_000_000_000_000 + n,
    nonce: n >>> 0,
    flags: 0,
    seenMs: START_MS,
    rstMs: 0,
    deadlineMs: START_MS + 60_000,
    ...overrides,
  };
}

export type KeyWords = [w0: number, w1: number, w2: number, w3: number];

export function outboundKey(keys: FlowKeys): KeyWords {
  return [
    ((keys.domain << 8) | keys.protocol) >>> 0,
    keys.insideAddress,
    keys.remoteAddress,
    ((keys.insidePort << 16) | keys.remotePort) >>> 0,
  ];
}

export function inboundKey(keys: FlowKeys): KeyWords {
  return [
    ((OUTSIDE_DOMAIN << 8) | keys.protocol) >>> 0,
    keys.remoteAddress,
    keys.outsideAddress,
    ((keys.remotePort << 16) | keys.outsidePort) >>> 0,
  ];
}

/** The slot by both keys, which must agree. */
export function findBoth(table: FlowTable, keys: FlowKeys, nowMs: number): number {
  const outbound = table.find(...outboundKey(keys), nowMs);
  const inbound = table.find(...inboundKey(keys), nowMs);
  if (outbound !== inbound) throw new Error(`outbound is ${outbound}, inbound ${inbound}`);
  return outbound;
}

/** Puts a flow for which there is room. */
export function put(
  table: FlowTable,
  flow: FlowInput,
  nowMs = START_MS,
): Exclude<PutResult, { kind: 'full' }> {
  const result = table.put(flow, nowMs);
  if (result.kind === 'full') throw new Error('the table is full');
  return result;
}
