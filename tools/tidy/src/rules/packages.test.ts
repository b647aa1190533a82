import { expect, test } from 'vitest';
import { check, project } from '../testing/repository.ts';
import { arrows, declared, purity, readmes, references } from './packages.ts';

const FLOW = project('packages/flow', []);
const STORE = project('packages/flow-store', ['@flowstore/flow', 'ioredis']);

test('an arrow against the table, in package.json and in an import', () => {
  const source = "import { x } from '@flowstore/flow-store/testing';";
  const files = {
    ...FLOW,
    ...STORE,
    ...project('packages/nat', ['@flowstore/flow-store'], source),
  };
  expect(check(arrows, files)).toEqual([
    'packages/nat/package.json:7: nat -> flow-store: translation is arithmetic over packets',
    'packages/nat/src/index.ts:1: nat -> flow-store: translation is arithmetic over packets',
  ]);
});

test('an arrow to an app, or to nothing', () => {
  const files = {
    ...project('apps/gateway', []),
    ...project('apps/reaper', ['@flowstore/gateway', '@flowstore/nowhere']),
  };
  expect(check(arrows, files)).toEqual([
    "apps/reaper/package.json:7: reaper -> gateway: apps are nobody's library",
    'apps/reaper/package.json:8: reaper -> nowhere: @flowstore/nowhere does not exist',
  ]);
});

test('arrows of the table are fine', () => {
  const source = "import type { x } from '@flowstore/flow';";
  const app = project('apps/reaper', ['@flowstore/flow-store'], source);
  expect(check(arrows, { ...FLOW, ...STORE, ...app })).toEqual([]);
});

test.each([
  ["import { Redis } from 'ioredis';", 'ioredis'],
  ["import type { Redis } from 'ioredis';", 'ioredis'],
  ["import { createSocket } from 'node:dgram';", 'node:dgram'],
  ["export * from 'node:fs';", 'node:fs'],
  ["const fs = await import('node:fs');", 'node:fs'],
  ["const koffi = createRequire(import.meta.url)('koffi');", 'koffi'],
  ["import { StoreUnavailable } from '@flowstore/flow-store';", '@flowstore/flow-store'],
])('what a pure package may not import: %s', (source, specifier) => {
  const path = 'packages/gateway-core/src/index.ts';
  expect(check(purity, { [path]: source })).toEqual([`${path}:1: imports ${specifier}`]);
  expect(check(purity, { 'packages/gateway-core/src/a.test.ts': source })).toEqual([]);
  expect(check(purity, { 'apps/gateway/src/index.ts': source })).toEqual([]);
});

test('an exception holds for its file and its names', () => {
  const path = 'packages/flow/src/address.ts';
  expect(check(purity, { [path]: "import { isIPv4 } from 'node:net';" })).toEqual([]);
  expect(check(purity, { [path]: "import { isIPv4, connect } from 'node:net';" })).toHaveLength(1);
  const types = "import type { FlowStore } from '@flowstore/flow-store';";
  expect(check(purity, { 'packages/gateway-core/src/a.ts': types })).toEqual([]);
});

test('what is declared and not imported, or imported and not declared', () => {
  const source = "import { z } from 'zod';\nimport a from '@x/b/c';\nimport 'node:fs';";
  expect(check(declared, project('apps/a', ['zod', 'pino'], source))).toEqual([
    'apps/a/package.json:8: pino is declared and never imported',
    'apps/a/src/index.ts:2: @x/b is imported and not declared',
  ]);
});

test('references that differ from the dependencies', () => {
  const files = { ...FLOW, ...STORE, 'packages/flow-store/tsconfig.json': '{"references": []}' };
  expect(check(references, files)).toEqual([
    'packages/flow-store/tsconfig.json:1: refers to [], not to [packages/flow]',
  ]);
  expect(check(references, { ...FLOW, ...STORE })).toEqual([]);
});

test('a package without a README, or with one that has no heading', () => {
  const { 'packages/flow/README.md': _, ...without } = FLOW;
  expect(check(readmes, without)).toEqual(['packages/flow:1: has no README.md']);
  expect(check(readmes, { ...FLOW, 'packages/flow/README.md': 'flow\n' })).toEqual([
    'packages/flow/README.md:1: does not begin with a heading',
  ]);
});
