import { describe, expect, it } from 'vitest';
import { mirrorOf } from './compose-plugin.mjs';
import { exportedVariables } from './containers.mjs';
import { dataMount, whichEngine } from './engine.mjs';

const nothing = { linux: false, root: false, apt: false, theirs: false, compose: false };
const debian = { ...nothing, linux: true, root: true, apt: true };

describe('the engine of the tests in containers', () => {
  it('is the one that answers, if it has the compose plug-in', () => {
    expect(whichEngine({ ...nothing, theirs: true, compose: true }).kind).toBe('theirs');
    expect(whichEngine({ ...debian, theirs: true, compose: true }).kind).toBe('theirs');
  });

  it('is a private one for root on Debian', () => {
    expect(whichEngine(debian).kind).toBe('private');
    expect(whichEngine({ ...debian, theirs: true }).kind).toBe('private');
  });

  it('is none elsewhere, and the reason is said', () => {
    for (const lack of ['linux', 'root', 'apt']) {
      expect(whichEngine({ ...debian, [lack]: false })).toMatchObject({ kind: 'none' });
    }
    expect(whichEngine({ ...nothing, theirs: true }).reason).toMatch(/compose plug-in/);
    expect(whichEngine(nothing).reason).toMatch(/root on Debian/);
  });

  it('gets compose from where this machine gets its release', () => {
    const targets = 'mirror:/security/\tbookworm-security\nmirror:/debian/\tbookworm\n';
    expect(mirrorOf(targets, 'bookworm')).toBe('mirror:/debian/');
    expect(mirrorOf(targets, 'trixie')).toBeUndefined();
  });

  it('keeps its data in memory where there is plenty of it, and on disk elsewhere', () => {
    expect(dataMount('/data', 16 * 2 ** 30).join()).toMatch(/mount -t tmpfs .* \/data$/);
    expect(dataMount('/data', 2 * 2 ** 30)).toEqual([]);
  });

  it('takes the images from what tools/images prints', () => {
    const text = "said\nexport NODE_IMAGE='a/b:c'\nexport REDIS_IMAGE='d e'\n";
    expect(exportedVariables(text)).toEqual({ NODE_IMAGE: 'a/b:c', REDIS_IMAGE: 'd e' });
  });
});
