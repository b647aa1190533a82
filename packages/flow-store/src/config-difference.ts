/** Names what two configurations disagree on, for the operator who must bring them together. */

/** Dotted names of the fields that differ, sorted; none when the texts mean the same. */
export function differingFields(ours: string, theirs: string): string[] {
  const differing = new Set<string>();
  compare(JSON.parse(ours), JSON.parse(theirs), '', differing);
  return [...differing].sort();
}

function compare(ours: unknown, theirs: unknown, path: string, differing: Set<string>): void {
  if (isFields(ours) && isFields(theirs)) {
    for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      const inner = path === '' ? name : `${path}.${name}`;
      compare(ours[name], theirs[name], inner, differing);
    }
  } else if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
    differing.add(path);
  }
}

function isFields(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
