/** A body that anybody can make anew from its seed: xorshift32 (Marsaglia, 2003). */
import { createHash } from 'node:crypto';

const WORD_BYTES = 4;

export class Body {
  #state: number;

  constructor(seed: number) {
    // Zero is the one state that never changes.
    this.#state = seed >>> 0 || 1;
  }

  /** The next `bytesCount` bytes, a multiple of 4. */
  take(bytesCount: number): Uint8Array {
    if (bytesCount % WORD_BYTES !== 0) throw new RangeError('a body is taken in words of 4 bytes');
    const bytes = new Uint8Array(bytesCount);
    const view = new DataView(bytes.buffer);
    let state = this.#state;
    for (let i = 0; i < bytesCount; i += WORD_BYTES) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      view.setInt32(i, state);
    }
    this.#state = state;
    return bytes;
  }
}

/** SHA-256 of the whole body, in hexadecimal. */
export function bodyDigest(seed: number, bytesCount: number): string {
  return createHash('sha256').update(new Body(seed).take(bytesCount)).digest('hex');
}
