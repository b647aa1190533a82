import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseNode, installReason, isNewEnough, taskEnvironment } from './node.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bootstrap-'));
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

function lock(file: string, packages: object, seconds: number) {
  writeFileSync(join(root, file), JSON.stringify({ packages }));
  utimesSync(join(root, file), seconds, seconds);
}
const installed = 'node_modules/.package-lock.json';
const a = (version: string) => ({ 'node_modules/a': { version } });

describe('npm ci', () => {
  it('runs where nothing is installed', () => {
    lock('package-lock.json', a('1.0.0'), 100);
    expect(installReason(root)).toBe('node_modules is missing');
  });

  it('does not run where the installation is newer than the lockfile', () => {
    lock('package-lock.json', a('1.0.0'), 100);
    lock(installed, {}, 200);
    expect(installReason(root)).toBeUndefined();
  });

  it('runs where the lockfile is newer and names something else', () => {
    lock('package-lock.json', a('2.0.0'), 200);
    lock(installed, a('1.0.0'), 100);
    expect(installReason(root)).toMatch(/older/);
  });

  it('does not run where the lockfile is newer and names the same', () => {
    const elsewhere = {
      '': { version: '1' },
      'packages/x': { version: '1', link: true },
      'node_modules/mac': { version: '9', optional: true },
    };
    lock('package-lock.json', { ...a('1.0.0'), ...elsewhere }, 200);
    lock(installed, a('1.0.0'), 100);
    expect(installReason(root)).toBeUndefined();
  });
});

describe('the Node that runs a task', () => {
  const pin = (script: string) =>
    writeFileSync(join(root, 'node_modules/.bin/node'), script, { mode: 0o755 });
  const own = { path: '/own/node', version: 'v22.22.0' };

  it('is the pinned one', () => {
    pin('#!/bin/sh\necho v24.21.0\n');
    expect(chooseNode(root, own)).toBe(join(root, 'node_modules/.bin/node'));
  });

  it('is our own where the pinned one is missing or does not run', () => {
    expect(chooseNode(root, own)).toBe('/own/node');
    pin('#!/bin/sh\nexit 1\n');
    expect(chooseNode(root, own)).toBe('/own/node');
  });

  it('is refused when too old, saying what is needed', () => {
    expect(() => chooseNode(root, { path: '/own/node', version: 'v20.20.2' })).toThrow(
      /Node >= 22\.22.*this is Node v20\.20\.2/,
    );
    expect(['v22.21.9', 'v18.0.0', 'v20.20.2'].some(isNewEnough)).toBe(false);
    expect(['v22.22.0', 'v24.0.0', 'v26.1.0'].every(isNewEnough)).toBe(true);
  });

  it('finds the pinned tools first', () => {
    const { PATH } = taskEnvironment('/repo', { PATH: '/usr/bin' });
    expect(PATH).toMatch(/^\/repo\/node_modules\/\.bin:\/usr\/bin:.*\/usr\/sbin/);
  });
});
