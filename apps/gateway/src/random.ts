/** Uniform 32-bit numbers that nobody outside can guess (RFC 6056), drawn in batches. */
import { randomFillSync } from 'node:crypto';

const BATCH = 1_024;

export function secureRandom(): () => number {
  const numbers = new Uint32Array(BATCH);
  let next = BATCH;
  return () => {
    if (next === BATCH) {
      randomFillSync(numbers);
      next = 0;
    }
    return numbers[next++]!;
  };
}
