// Arguments of the traffic programs: --name value, numbers with bounds. Node's own parser, so that
// a program starts as fast as Node does.
import { parseArgs } from 'node:util';

export type Bounds = { min: number; max: number; or: number };

export class Arguments {
  readonly #values: Record<string, string | undefined>;

  constructor(names: readonly string[], args: readonly string[] = process.argv.slice(2)) {
    const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
    try {
      this.#values = parseArgs({ args: [...args], options, strict: true }).values as Record<
        string,
        string
      >;
    } catch (error) {
      process.stderr.write(`${(error as Error).message}\n`);
      process.exit(2);
    }
  }

  text(name: string, or: string): string {
    return this.#values[name] ?? or;
  }

  number(name: string, bounds: Bounds): number {
    return this.numberIfGiven(name, bounds) ?? bounds.or;
  }

  numberIfGiven(name: string, { min, max }: Omit<Bounds, 'or'>): number | undefined {
    const text = this.#values[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      process.stderr.write(`--${name} ${text}: must be a number ${min}..${max}\n`);
      process.exit(2);
    }
    return value;
  }
}
