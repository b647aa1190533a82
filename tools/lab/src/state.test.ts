import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type LabState, readState, recordedProcesses, writeState } from './state.ts';

const id = (pid: number) => ({ pid, startTicks: 1, bootId: 'b' });
const state: LabState = {
  version: 2,
  phase: 'up',
  management: { net: '192.0.2' },
  apps: null,
  gateways: [
    { name: 'gw1', index: 1, routed: true, wasReady: true, process: id(1) },
    { name: 'gw2', index: 2, routed: true, wasReady: true, process: null },
  ],
  reapers: [{ name: 'reaper1', port: 9564, process: id(2) }],
  store: {
    kind: 'single',
    url: 'redis://192.0.2.1:6390',
    servers: [{ name: 'store', part: 'server', port: 6390, process: id(3) }],
  },
};

describe('the state file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lab-state-'));
  const file = join(folder, 'deep/state.json');
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reads what was written, and leaves no draft', () => {
    writeState(state, file);
    expect(readState(file)).toEqual(state);
    expect(readdirSync(join(folder, 'deep'))).toEqual(['state.json']);
  });

  it('is as good as absent when absent, broken or of another version', () => {
    expect(readState(join(folder, 'none.json'))).toBeUndefined();
    writeFileSync(file, '{"version": 2, "ph');
    expect(readState(file)).toBeUndefined();
    writeFileSync(file, '{"version": 1}');
    expect(readState(file)).toBeUndefined();
  });

  it('names every process, the store last', () => {
    expect(recordedProcesses(state).map((each) => each.pid)).toEqual([1, 2, 3]);
  });
});
