import { describe, expect, it } from 'vitest';
import { mayInstall, missingCrates } from './crates.mjs';

describe('the crates of the Rust peer', () => {
  it('are missing when no version of them is there', () => {
    const all = ['librust-dashmap-dev', 'librust-tokio-dev', 'librust-ahash-dev'];
    expect(missingCrates([])).toEqual(all);
    expect(missingCrates(['tokio-macros-1.7.0', 'dashmap-5.4.0'])).toEqual(all.slice(1));
    expect(missingCrates(['tokio-1.24.2', 'dashmap-5.4.0', 'ahash-0.7.6'])).toEqual([]);
  });

  it('are installed as root, with cargo and apt-get, for the table alone', () => {
    const place = { root: true, has: () => true };
    expect(mayInstall(['table', '--json'], place)).toBe(true);
    expect(mayInstall(['table', '--help'], place)).toBe(false);
    expect(mayInstall([], place)).toBe(false);
    expect(mayInstall(['table'], { ...place, root: false })).toBe(false);
    for (const absent of ['cargo', 'apt-get']) {
      const has = (program: string) => program !== absent;
      expect(mayInstall(['table'], { ...place, has })).toBe(false);
    }
  });
});
