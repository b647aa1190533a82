/** A program's words to whoever started it: JSON, a line each. */
process.stdout.on('error', () => {});

export function tell(line: { event: string; [key: string]: unknown }): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
