/**
 * What happened, line by line: the same seed gives the same lines, byte for byte. Lines are hashed
 * as they come (FNV-1a, two lanes) and kept only where somebody wants to read them; packets go into
 * the hash as numbers, since there are too many of them for lines.
 */
export class Log {
  readonly #write: ((line: string) => void) | null;
  #high = 0x811c9dc5;
  #low = 0x1234567;

  constructor(write: ((line: string) => void) | null = null) {
    this.#write = write;
  }

  line(nowMs: number, text: string): void {
    const line = `${(nowMs / 1_000).toFixed(3).padStart(10)} ${text}`;
    for (let i = 0; i < line.length; i++) this.number(line.charCodeAt(i));
    this.#write?.(line);
  }

  number(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193);
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 13), 0x5bd1e995);
  }

  /** Of all that was logged so far. */
  get hash(): string {
    const hex = (value: number) => (value >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}
