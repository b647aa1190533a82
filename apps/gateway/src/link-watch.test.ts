import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LinkWatch } from './link-watch.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flowstore-links-'));
  link('eth1', '5', '1');
  link('eth2', '6', '1');
});
afterEach(() => rmSync(folder, { recursive: true }));

function link(name: string, ifindex: string, carrier: string) {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, 'ifindex'), `${ifindex}\n`);
  writeFileSync(join(folder, name, 'carrier'), `${carrier}\n`);
}
const watch = () => new LinkWatch({ inside: 'eth1', outside: 'eth2', domains: [] }, folder);

test('links that carry are no reason', () => {
  expect(watch().look()).toEqual({ reasons: [], gone: false });
});

test('a link without a carrier, or set down, is a reason that may pass', () => {
  const links = watch();
  link('eth2', '6', '0');
  expect(links.look()).toEqual({ reasons: ['the outside link eth2 is down'], gone: false });
  rmSync(join(folder, 'eth2/carrier'));
  expect(links.look().reasons).toEqual(['the outside link eth2 is down']);
  link('eth2', '6', '1');
  expect(links.look().reasons).toEqual([]);
});

test('a link that was taken away is gone, also when another one has its name by now', () => {
  const links = watch();
  rmSync(join(folder, 'eth1'), { recursive: true });
  expect(links.look()).toEqual({ reasons: ['the inside link eth1 is gone'], gone: true });
  link('eth1', '9', '1');
  expect(links.look().gone).toBe(true);
});
