/** From what zod found wrong to lines that an operator can act on. */
import type { z } from 'zod';
import { isSecretKey, redactUrl } from './redact.ts';
import { allowedBy, type Path, schemaAt, settingsOf } from './schema-walk.ts';

/** Longer values are cut: the path says where to look. */
const VALUE_CHARACTERS_MAX = 80;

/** "cluster.pool[0]"; the whole configuration is "(top level)". */
export function formatPath(path: Path): string {
  const text = path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('');
  return text === '' ? '(top level)' : text.replace(/^\./, '');
}

/**
 * One line per problem: "gw.yaml:4: http.port: found 70000, allowed: a whole number from 0 to
 * 65535". `sourceOf` says where the value at a path came from.
 */
export function problemLines(
  schema: z.ZodType,
  input: unknown,
  issues: readonly z.core.$ZodIssue[],
  sourceOf: (path: Path) => string,
): string[] {
  return issues.flatMap((issue) => {
    const line = (path: Path, found: string, allowed: string) =>
      `${sourceOf(path)}: ${formatPath(path)}: ${found}, allowed: ${allowed}`;
    const here = schemaAt(schema, issue.path);
    if (issue.code === 'unrecognized_keys') {
      const known = here === undefined ? '' : [...settingsOf(here).keys()].join(', ');
      return issue.keys.map((key) =>
        line([...issue.path, key], 'found a setting that does not exist', `only ${known}`),
      );
    }
    const found = describe(valueAt(input, issue.path), issue.path);
    const own = issue.code === 'custom' || here === undefined;
    return [line(issue.path, found, own ? issue.message : allowedBy(here))];
  });
}

function valueAt(value: unknown, path: Path): unknown {
  for (const key of path) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function describe(value: unknown, path: Path): string {
  if (value === undefined || value === null) return 'found nothing';
  if (Array.isArray(value)) return `found a list of ${value.length}`;
  if (typeof value === 'object') return 'found a map';
  if (path.some((key) => isSecretKey(String(key)))) return 'found a hidden value';
  const text = JSON.stringify(typeof value === 'string' ? redactUrl(value) : value) ?? typeof value;
  const cut = text.length > VALUE_CHARACTERS_MAX;
  return `found ${cut ? `${text.slice(0, VALUE_CHARACTERS_MAX)}...` : text}`;
}
