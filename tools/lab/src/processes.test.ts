import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { endProcesses, identify, parseStat, processState, signalProcess } from './processes.ts';
import { waitFor } from './wait.ts';

describe('parseStat', () => {
  it('is not fooled by a name with blanks and brackets', () => {
    const rest = Array.from({ length: 40 }, (_, at) => at + 4).join(' ');
    expect(parseStat(`12 (a ) R (b) S ${rest}`)).toEqual({ state: 'S', startTicks: 22 });
  });
});

describe.skipIf(process.platform !== 'linux')('a process', () => {
  it('is known by pid and start time, and nobody else is signalled', async () => {
    const child = spawn('sleep', ['60']);
    const id = identify(child.pid as number);
    if (!id) throw new Error('no sleep');
    const recycled = { ...id, startTicks: id.startTicks - 1 };
    expect(processState(recycled)).toBe('gone');
    expect(signalProcess(recycled, 'SIGKILL')).toBe(false);
    expect(signalProcess({ ...id, bootId: 'another' }, 'SIGKILL')).toBe(false);
    expect(processState(id)).toBe('running');
    signalProcess(id, 'SIGSTOP');
    await waitFor('it to stop', () => processState(id) === 'stopped', 5_000);
    const gone = once(child, 'close');
    await endProcesses([id, recycled], 5_000);
    expect(processState(id)).toBe('gone');
    await gone;
  });

  it('that ignores SIGTERM is killed after its grace', async () => {
    const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6); console.log('on')";
    const child = spawn(process.execPath, ['-e', script]);
    await once(child.stdout, 'data');
    const id = identify(child.pid as number);
    const gone = once(child, 'close');
    await endProcesses(id ? [id] : [], 100);
    expect((await gone)[1]).toBe('SIGKILL');
  });
});
