// A body that both ends can compute: the AES-CTR key stream of a seed. Any byte that is lost,
// doubled, moved or of another download changes the digest.
import { type Cipheriv, createCipheriv, createHash } from 'node:crypto';

export const bodyBytesMax = 1024 * 1024 * 1024;

export class Pattern {
  readonly #cipher: Cipheriv;
  #leftBytes: number;

  constructor(seed: string, bytes: number) {
    const key = createHash('sha256').update(seed).digest();
    this.#cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
    this.#leftBytes = bytes;
  }

  get leftBytes(): number {
    return this.#leftBytes;
  }

  /** The next bytes of the body, fewer at its end, none after it. */
  next(bytes: number): Buffer {
    const size = Math.min(bytes, this.#leftBytes);
    this.#leftBytes -= size;
    return this.#cipher.update(Buffer.alloc(size));
  }
}

/** The digest of the whole body. Takes breaths, so that a server goes on serving meanwhile. */
export async function patternDigest(seed: string, bytes: number): Promise<string> {
  const pattern = new Pattern(seed, bytes);
  const hash = createHash('sha256');
  while (pattern.leftBytes > 0) {
    hash.update(pattern.next(256 * 1024));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return hash.digest('hex');
}
