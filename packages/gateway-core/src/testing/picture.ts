/**
 * A sequence picture in plain text: one lifeline per party, one arrow per line.
 *
 * ```
 *     host             gw1             store            remote
 *      |----- SYN ----->|                |                |
 *      |                |----- open ---->|                |
 * ```
 */

/** Between two lifelines; five parties fit into 100 columns. */
const SPACING = 19;
const FIRST = 5;

export class Picture {
  readonly #parties: readonly string[];
  readonly #gone = new Set<number>();
  readonly #lines: string[] = [];

  constructor(parties: readonly string[]) {
    this.#parties = parties;
    const heads: string[] = [];
    for (const [i, name] of parties.entries()) {
      write(heads, FIRST + i * SPACING - Math.floor(name.length / 2), name);
    }
    this.#lines.push(heads.join(''));
  }

  arrow(from: string, to: string, label: string): void {
    const [a, b] = [this.#column(from), this.#column(to)];
    const line = this.#lifelines();
    const [left, right] = [Math.min(a, b) + 1, Math.max(a, b) - 1];
    write(line, left, '-'.repeat(right - left + 1));
    if (a < b) write(line, right, '>');
    else write(line, left, '<');
    // In the gap beside the sender: arrows that pass others stay easy to follow.
    const gap = SPACING - 2;
    const start = a < b ? left : right - gap;
    const text = ` ${label} `;
    write(line, start + Math.max(1, Math.floor((gap - text.length) / 2)), text);
    this.#lines.push(line.join('').trimEnd());
  }

  /** What happens at one party. */
  note(at: string, text: string): void {
    const line = this.#lifelines();
    write(line, this.#column(at) + 2, text);
    this.#lines.push(line.join('').trimEnd());
  }

  /** What happens to all: time passes, mostly. */
  pause(text: string): void {
    this.#lines.push(`     ...  ${text}`);
  }

  /** The party's lifeline ends. */
  end(party: string): void {
    const line = this.#lifelines();
    write(line, this.#column(party), 'X');
    this.#lines.push(line.join('').trimEnd());
    this.#gone.add(this.#column(party));
  }

  toString(): string {
    return this.#lines.join('\n');
  }

  #column(party: string): number {
    const index = this.#parties.indexOf(party);
    if (index < 0) throw new Error(`${party} is not in the picture`);
    return FIRST + index * SPACING;
  }

  #lifelines(): string[] {
    const line: string[] = [];
    for (const i of this.#parties.keys()) {
      const column = FIRST + i * SPACING;
      write(line, column, this.#gone.has(column) ? ' ' : '|');
    }
    return line;
  }
}

function write(line: string[], at: number, text: string): void {
  while (line.length < at + text.length) line.push(' ');
  for (const [i, character] of [...text].entries()) line[at + i] = character;
}
