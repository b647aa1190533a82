/** Milliseconds of a clock that all processes of one machine share (CLOCK_MONOTONIC). */
export function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}
