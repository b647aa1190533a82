/** What a rule found, in the form in which editors jump to it. */
import type { SourceFile } from './source.ts';

export interface Finding {
  readonly path: string;
  readonly line: number;
  /** What is wrong there. */
  readonly what: string;
}

export interface Rule {
  readonly name: string;
  /** Why the house has it: shown with every failure. */
  readonly reason: string;
  check(files: readonly SourceFile[]): Finding[];
}

export function formatFindings({ name, reason }: Rule, findings: readonly Finding[]): string {
  const lines = findings.map(({ path, line, what }) => `${path}:${line}: ${what}`);
  return [`${name}: ${reason}`, ...lines].join('\n');
}
