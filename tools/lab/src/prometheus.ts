// Reads Prometheus' text format (version 0.0.4) as far as a check needs it: the value per series.

/** `name{label="x"}` exactly as exposed -> its value. What doesn't parse is left out. */
export function parsePrometheus(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    // The labels may hold blanks and braces inside quotes; the value never does.
    const match = /^([A-Za-z_:][\w:]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?)\s+(\S+)/.exec(line);
    if (match) values[match[1] as string] = parseNumber(match[2] as string);
  }
  return values;
}

function parseNumber(text: string): number {
  if (/^[+]?Inf$/.test(text)) return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

/** The sum over all series of one name, whatever their labels. */
export function sumOf(values: Record<string, number>, name: string): number {
  let sum = 0;
  for (const [series, value] of Object.entries(values)) {
    if (series === name || series.startsWith(`${name}{`)) sum += value;
  }
  return sum;
}
