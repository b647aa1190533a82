import { describe, expect, it } from 'vitest';
import { parsePrometheus, sumOf } from './prometheus.ts';

const text = `# HELP packets_total Packets.
# TYPE packets_total counter
packets_total{direction="out",reason="a } b \\" c"} 12
packets_total{direction="in"} 1.5e3 1700000000000
up 1
lag_seconds NaN
limit +Inf

broken{ 3
`;

describe('parsePrometheus', () => {
  it('reads every series with its labels as exposed', () => {
    expect(parsePrometheus(text)).toEqual({
      'packets_total{direction="out",reason="a } b \\" c"}': 12,
      'packets_total{direction="in"}': 1500,
      up: 1,
      lag_seconds: Number.NaN,
      limit: Number.POSITIVE_INFINITY,
    });
  });

  it('sums a name over its labels, and only that name', () => {
    const values = { ...parsePrometheus(text), packets_total_other: 7 };
    expect(sumOf(values, 'packets_total')).toBe(1512);
    expect(sumOf(values, 'none')).toBe(0);
  });
});
