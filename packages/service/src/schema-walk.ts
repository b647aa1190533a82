/** Looks into a zod schema: what is under a path, what its settings are, what a place allows. */
import { z } from 'zod';

export type Path = readonly PropertyKey[];

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly entries?: Readonly<Record<string, string | number>>;
  readonly values?: readonly unknown[];
}

/** zod's public reflection: `_zod.def` is stable within zod 4 (its "for library authors" guide). */
function definition(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

/** The schema inside defaults, optionals and transforms: what a user writes. */
export function unwrap(schema: z.ZodType): z.ZodType {
  const { type, innerType, in: input } = definition(schema);
  if (innerType !== undefined) return unwrap(innerType);
  if (type === 'pipe' && input !== undefined) return unwrap(input);
  return schema;
}

export function typeOf(schema: z.ZodType): string {
  return definition(unwrap(schema)).type;
}

export function elementOf(schema: z.ZodType): z.ZodType | undefined {
  return definition(unwrap(schema)).element;
}

/** The settings of a map, by name; of a union, those of any of its forms. */
export function settingsOf(schema: z.ZodType): Map<string, z.ZodType> {
  const { shape, options = [] } = definition(unwrap(schema));
  const settings = new Map(Object.entries(shape ?? {}));
  for (const option of options) {
    for (const [key, inner] of settingsOf(option)) {
      if (!settings.has(key)) settings.set(key, inner);
    }
  }
  return settings;
}

export function schemaAt(schema: z.ZodType, path: Path): z.ZodType | undefined {
  let here: z.ZodType | undefined = schema;
  for (const key of path) {
    if (here === undefined) return undefined;
    here = typeof key === 'number' ? elementOf(here) : settingsOf(here).get(String(key));
  }
  return here;
}

/** Every setting that is not itself a map, with its path, in the order of the schema. */
export function leavesOf(schema: z.ZodType, path: readonly string[] = []): [string[], z.ZodType][] {
  const settings = settingsOf(schema);
  if (settings.size === 0) return [[[...path], schema]];
  return [...settings].flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

/** In words, what may stand there: "a whole number from 0 to 65535". */
export function allowedBy(schema: z.ZodType): string {
  const described = schema.description ?? unwrap(schema).description;
  if (described !== undefined) return described;
  const inner = unwrap(schema);
  if (inner instanceof z.ZodNumber) return numberAllowed(inner);
  const { type, element, options, entries, values } = definition(inner);
  if (type === 'string') return 'text';
  if (type === 'boolean') return 'true or false';
  if (type === 'enum') return `one of ${Object.values(entries ?? {}).join(', ')}`;
  if (type === 'literal') return (values ?? []).map((value) => JSON.stringify(value)).join(' or ');
  if (type === 'array') return `a list, each ${element === undefined ? type : allowedBy(element)}`;
  if (type === 'object') return `settings: ${[...settingsOf(schema).keys()].join(', ')}`;
  if (type === 'union') return (options ?? []).map(allowedBy).join(', or ');
  return type;
}

function numberAllowed({ isInt, minValue, maxValue }: z.ZodNumber): string {
  const kind = isInt ? 'a whole number' : 'a number';
  // Without a bound of its own a number has those of safe integers, or infinite ones: not worth
  // telling.
  const low = minValue !== null && minValue > Number.MIN_SAFE_INTEGER ? minValue : undefined;
  const high = maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER ? maxValue : undefined;
  if (low !== undefined && high !== undefined) return `${kind} from ${low} to ${high}`;
  if (low !== undefined) return `${kind}, ${low} or more`;
  return high === undefined ? kind : `${kind}, ${high} or less`;
}
