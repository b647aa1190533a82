/** The table as text, for people: a line per flow. */
import {
  FlowStatus,
  formatSocketAddress,
  type IpAddress,
  ipv4FromNumber,
  protocolName,
  statusName,
} from '@flowstore/flow';
import type { FlowTable } from './flow-table.ts';
import { NONE } from './none.ts';
import { INBOUND, OUTBOUND } from './traffic.ts';

const ROWS_DEFAULT = 50;
const HEADINGS = [
  'slot',
  'domain',
  'proto',
  'inside',
  'outside',
  'remote',
  'state',
  'age',
  'remaining',
  'packets out/in',
  'bytes out/in',
];

/**
 * Up to `rowsMax` flows from the first slot on. The age is the time since the last packet that
 * refreshes the flow, the remaining time that until its deadline.
 */
export function dump(table: FlowTable, nowMs: number, rowsMax = ROWS_DEFAULT): string {
  const lines = [HEADINGS];
  for (let slot = table.nextSlot(0); slot !== NONE; slot = table.nextSlot(slot)) {
    if (lines.length > rowsMax) break;
    lines.push(describe(table, slot, nowMs));
  }
  const widths = HEADINGS.map((_, i) => Math.max(...lines.map((cells) => cells[i]!.length)));
  const text = lines.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
  const { size, activeSize, capacity } = table;
  const omitted = size - (lines.length - 1);
  if (omitted > 0) text.push(`... and ${omitted} more`);
  text.push(`${size} flows stored, ${activeSize} active, of ${capacity} at most`);
  return text.join('\n');
}

function describe(table: FlowTable, slot: number, nowMs: number): string[] {
  const flow = table.isIpv6(slot) ? table.flow6At(slot) : table.flowAt(slot);
  const { traffic } = table;
  const isOver = !table.isActive(slot) || flow.deadlineMs <= nowMs;
  const each = (of: 'packets' | 'bytes') =>
    `${traffic[of](slot, OUTBOUND)}/${traffic[of](slot, INBOUND)}`;
  return [
    String(slot),
    String(flow.domain),
    protocolName(flow.protocol),
    socket(flow.insideAddress, flow.insidePort),
    socket(flow.outsideAddress, flow.outsidePort),
    socket(flow.remoteAddress, flow.remotePort),
    statusName(isOver ? FlowStatus.Expired : FlowStatus.Active),
    duration(nowMs - flow.seenMs),
    isOver ? '-' : duration(flow.deadlineMs - nowMs),
    each('packets'),
    each('bytes'),
  ];
}

function socket(address: number | IpAddress, port: number): string {
  const bytes = typeof address === 'number' ? ipv4FromNumber(address) : address;
  return formatSocketAddress({ address: bytes, port });
}

/** "850ms", "59.9s", "2h04m", "12d03h", "ever". */
function duration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return 'ever';
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${Math.floor(ms / 100) / 10}s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m${pad(Math.floor(ms / 1_000) % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${pad(hours % 24)}h`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
