/**
 * One configuration file, YAML or JSON, plus environment overrides, validated by a zod schema.
 *
 * JSON needs no parser of its own: YAML 1.2 contains it, and one parser gives every problem a line.
 */
import { readFileSync, statSync } from 'node:fs';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { type Environment, envOverrides } from './config-env.ts';
import { ConfigError } from './config-error.ts';
import { problemLines } from './config-problems.ts';
import type { Path } from './schema-walk.ts';

export const CONFIG_BYTES_MAX = 1024 * 1024;
export const ENV_PREFIX = 'FLOWSTORE_';

export interface ConfigSource {
  /** A path; undefined: everything comes from the environment and defaults. */
  readonly file: string | undefined;
  /** Usually process.env. */
  readonly env: Environment;
  /** Usually ENV_PREFIX. */
  readonly envPrefix: string;
}

interface ParsedFile {
  readonly value: unknown;
  /** "gw.yaml:4", or just "gw.yaml" where no line can be named. */
  readonly placeOf: (path: Path) => string;
}

/** Throws a ConfigError whose message has one line per problem. */
export function loadConfig<S extends z.ZodType>(schema: S, source: ConfigSource): z.output<S> {
  const { file, env, envPrefix } = source;
  const parsed = file === undefined ? emptyFile() : parseFile(file);
  const overrides = envOverrides(schema, env, envPrefix);
  const input = structuredClone(parsed.value ?? {});
  for (const { path, value } of overrides) setAt(input, path, value);

  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const sourceOf = (path: Path) => {
    const override = overrides.find((candidate) => startsWith(path, candidate.path));
    return override === undefined ? parsed.placeOf(path) : `environment ${override.name}`;
  };
  const lines = problemLines(schema, input, result.error.issues, sourceOf);
  throw new ConfigError('FLOWSTORE_CONFIG_INVALID', lines);
}

function emptyFile(): ParsedFile {
  return { value: {}, placeOf: () => 'configuration' };
}

function parseFile(file: string): ParsedFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    const lines = document.errors.map((error) => {
      const { line, col } = lineCounter.linePos(error.pos[0]);
      return `${file}:${line}:${col}: not readable as YAML or JSON: ${error.message}`;
    });
    throw new ConfigError('FLOWSTORE_CONFIG_INVALID', lines);
  }
  const placeOf = (path: Path) => {
    const node = document.getIn(path, true);
    const range = isNode(node) ? node.range : undefined;
    return range == null ? file : `${file}:${lineCounter.linePos(range[0]).line}`;
  };
  try {
    return { value: document.toJS(), placeOf };
  } catch (error) {
    // Aliases that point nowhere, or that would unfold without end.
    const line = `${file}: not readable as YAML or JSON: ${(error as Error).message}`;
    throw new ConfigError('FLOWSTORE_CONFIG_INVALID', [line]);
  }
}

function readText(file: string): string {
  const unreadable = (why: string) =>
    new ConfigError('FLOWSTORE_CONFIG_UNREADABLE', [`${file}: cannot be read: ${why}`]);
  try {
    const { size } = statSync(file);
    if (size > CONFIG_BYTES_MAX) {
      throw unreadable(`it has ${size} bytes, allowed: up to ${CONFIG_BYTES_MAX}`);
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw unreadable((error as Error).message);
  }
}

/** Sets a value below maps; where the file has something else on the way, that is refused later. */
function setAt(target: unknown, path: readonly string[], value: unknown): void {
  const last = path.length - 1;
  for (const [depth, key] of path.entries()) {
    if (target === null || typeof target !== 'object' || Array.isArray(target)) return;
    const map = target as Record<string, unknown>;
    if (depth === last) map[key] = value;
    else target = map[key] ??= {};
  }
}

function startsWith(path: Path, start: readonly string[]): boolean {
  return start.every((key, i) => path[i] === key);
}
