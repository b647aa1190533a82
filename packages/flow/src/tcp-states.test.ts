import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FLAGS_MASK, IN_DATA, IN_FIN, IN_SYN, NEVER, OUT_DATA, OUT_FIN, OUT_SYN } from './state.ts';
import {
  PHASES_TEXT,
  Phase,
  readTcpTable,
  TCP_PHASES,
  TCP_ROW_FLAGS,
  TCP_TABLE,
  tcpPhase,
  tcpStateOf,
} from './tcp-states.ts';

const table = readTcpTable();
const states = Object.keys(TCP_PHASES);
const rows = Object.keys(TCP_ROW_FLAGS);
const allFlags = Array.from({ length: FLAGS_MASK + 1 }, (_, flags) => flags);
const HANDSHAKE = OUT_SYN | IN_SYN;
const ESTABLISHED = HANDSHAKE | OUT_DATA | IN_DATA;

test('7857-2: the table is total: each segment from each side, in each state', () => {
  expect([...table.keys()]).toEqual(rows);
  const cells = new Set([...states, 'NW', '<-']);
  for (const row of table.values()) {
    expect([...row.keys()]).toEqual(states);
    for (const cell of row.values()) expect(cells).toContain(cell);
  }
});

test('the table and the merging of flags agree, whatever was merged before', () => {
  for (const flags of allFlags) {
    for (const row of rows) {
      const next = table.get(row)!.get(tcpStateOf(flags))!;
      if (next === 'RS' || next === 'NW') continue;
      expect([flags, row, next]).toEqual([flags, row, tcpStateOf(flags | TCP_ROW_FLAGS[row]!)]);
    }
  }
});

test('every state but that of an RST is one that flags come to', () => {
  expect(new Set(allFlags.map(tcpStateOf))).toEqual(new Set(states.slice(0, -1)));
});

test('a first SYN, and nothing else, begins anew what closes', () => {
  for (const [row, cells] of table) {
    const anew = states.filter((state) => cells.get(state) === 'NW');
    const closing = states.filter((state) => TCP_PHASES[state] === Phase.Closing);
    expect(anew).toEqual(/ SYN$/.test(row) ? closing : []);
  }
});

test('a connection is established once each endpoint has sent an ACK', () => {
  expect(tcpPhase(OUT_SYN, 1, NEVER)).toBe(Phase.Opening);
  expect(tcpPhase(HANDSHAKE, 1, NEVER)).toBe(Phase.Opening);
  // SYN, SYN-ACK, ACK, whoever opened.
  expect(tcpPhase(HANDSHAKE | OUT_DATA, 1, NEVER)).toBe(Phase.Established);
  expect(tcpPhase(HANDSHAKE | IN_DATA, 1, NEVER)).toBe(Phase.Established);
  expect(tcpPhase(OUT_SYN | OUT_DATA | OUT_FIN, 1, NEVER)).toBe(Phase.Opening);
});

test('one FIN leaves a connection half-closed and established, two close it', () => {
  expect(tcpPhase(ESTABLISHED | OUT_FIN, 1, NEVER)).toBe(Phase.Established);
  expect(tcpPhase(ESTABLISHED | OUT_FIN | IN_FIN, 1, NEVER)).toBe(Phase.Closing);
});

test('an RST closes, data reported later lifts it, and the longer timeout wins a tie', () => {
  expect(tcpPhase(ESTABLISHED, 10, 11)).toBe(Phase.Closing);
  expect(tcpPhase(ESTABLISHED, 11, 10)).toBe(Phase.Established);
  expect(tcpPhase(ESTABLISHED, 10, 10)).toBe(Phase.Established);
});

test('the documents have the table that the code goes by, and the scripts its phases', () => {
  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  expect(read('docs/tcp-states.md')).toContain(TCP_TABLE);
  expect(read('packages/flow-store/src/redis/lua/parts/flow.lua')).toContain(`'${PHASES_TEXT}'`);
});
