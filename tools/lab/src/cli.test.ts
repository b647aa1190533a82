// The command line as a process: exit codes and one clear line for what is wrong.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkRequirements } from './requirements.ts';

const isRoot = process.getuid?.() === 0;

function lab(args: string[], options: { uid?: number } = {}) {
  const main = join(import.meta.dirname, 'main.ts');
  return spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
    ...options,
  });
}

describe('npm run lab', () => {
  it.each([
    ['an unknown command', ['bogus'], /unknown command 'bogus'/],
    ['too many gateways', ['up', '--gateways', '17'], /1\.\.16/],
    ['half a gateway', ['up', '--gateways', '1.5'], /1\.\.16/],
    ['an unknown route', ['route', 'gw1', 'sideways'], /one of off, on/],
    ['an unknown store action', ['store', 'explode'], /stop, start, pause, resume/],
    ['no node', ['exec'], /missing required argument/],
  ])('refuses %s with exit code 2', (_, args, says) => {
    const { status, stderr } = lab(args);
    expect(stderr).toMatch(says);
    expect(status).toBe(2);
  });

  it('explains itself', () => {
    const { status, stdout } = lab(['--help']);
    expect(status).toBe(0);
    for (const name of ['up', 'down', 'exec', 'kill', 'start', 'route', 'store', 'status']) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'));
    }
  });

  it.runIf(isRoot)('refuses politely without root', () => {
    const { status, stderr } = lab(['up'], { uid: 65_534 });
    expect(stderr).toMatch(/^lab: the lab needs root.*\n$/);
    expect(status).toBe(2);
  });

  it('names what the machine lacks', () => {
    const none = () => undefined;
    expect(() => checkRequirements('darwin', 501)).toThrow(/needs Linux.*darwin/);
    expect(() => checkRequirements('linux', 1_000)).toThrow(/needs root/);
    expect(() => checkRequirements('linux', 0, none)).toThrow(/iproute2.*apt-get install/);
  });
});
