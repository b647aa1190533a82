import { describe, expect, it } from 'vitest';
import { waitFor } from './wait.ts';

describe('waitFor', () => {
  it('answers what the probe found', async () => {
    let calls = 0;
    expect(await waitFor('three', () => (++calls === 3 ? 'here' : undefined), 5_000)).toBe('here');
  });

  it('says what it waited for in vain', async () => {
    await expect(waitFor('godot', () => false, 30)).rejects.toMatchObject({
      code: 'LAB_FAILED',
      message: 'waited 30 ms in vain for godot',
    });
  });

  it('ends at once when told to, or when the probe throws', async () => {
    const abort = new AbortController();
    const wait = waitFor('never', () => false, 60_000, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(wait).rejects.toThrow();
    const bad = () => {
      throw new Error('bad');
    };
    await expect(waitFor('bad', bad, 60_000)).rejects.toThrow('bad');
  });
});
