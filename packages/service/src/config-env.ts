/**
 * Environment overrides, by one mechanical rule: a setting's variable is the prefix followed by the
 * names on its path in UPPER_SNAKE, joined by `_`.
 *
 * ```
 * redis.url              FLOWSTORE_REDIS_URL
 * redis.callTimeoutMs    FLOWSTORE_REDIS_CALL_TIMEOUT_MS
 * cluster.pool           FLOWSTORE_CLUSTER_POOL=203.0.113.0/28,203.0.113.32/28
 * ```
 *
 * Names are made from the schema, never taken apart, so nothing is ambiguous; a schema that gives
 * two settings one name is refused when it is used first. Lists are separated by commas and always
 * replaced whole. An empty variable counts as unset (compose files pass those). Variables with the
 * prefix that name no setting are ignored: gateway and reaper may share one environment, and
 * Kubernetes puts variables of its own there.
 */
import type { z } from 'zod';
import { elementOf, leavesOf, type Path, typeOf } from './schema-walk.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvOverride {
  readonly name: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** The variable of a setting: `(['redis', 'url'], 'FLOWSTORE_')` is FLOWSTORE_REDIS_URL. */
export function envName(path: Path, envPrefix: string): string {
  const snake = (key: PropertyKey) => String(key).replace(/([a-z0-9])([A-Z])/g, '$1_$2');
  return envPrefix + path.map(snake).join('_').toUpperCase();
}

/** Every variable that a schema answers to, with the path of its setting. */
export function envNames(schema: z.ZodType, envPrefix: string): Map<string, string[]> {
  return new Map([...leavesByName(schema, envPrefix)].map(([name, [path]]) => [name, path]));
}

export function envOverrides(
  schema: z.ZodType,
  env: Environment,
  envPrefix: string,
): EnvOverride[] {
  const overrides: EnvOverride[] = [];
  for (const [name, [path, leaf]] of leavesByName(schema, envPrefix)) {
    const text = env[name]?.trim();
    if (text !== undefined && text !== '') overrides.push({ name, path, value: read(leaf, text) });
  }
  return overrides;
}

function leavesByName(
  schema: z.ZodType,
  envPrefix: string,
): Map<string, readonly [string[], z.ZodType]> {
  const byName = new Map<string, readonly [string[], z.ZodType]>();
  for (const [path, leaf] of leavesOf(schema)) {
    const name = envName(path, envPrefix);
    const other = byName.get(name);
    if (other !== undefined) {
      throw new Error(`${path.join('.')} and ${other[0].join('.')} would both be ${name}`);
    }
    byName.set(name, [path, leaf]);
  }
  return byName;
}

/** Text as the schema's kind of value; what does not fit stays text, for zod to refuse. */
function read(leaf: z.ZodType, text: string): unknown {
  const type = typeOf(leaf);
  if (type === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' || (text === 'false' ? false : text);
  const element = type === 'array' ? elementOf(leaf) : undefined;
  if (element === undefined) return text;
  return text.split(',').map((item) => read(element, item.trim()));
}
