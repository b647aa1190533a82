// What a traffic program says: JSON, a line each, on stdout.

export type Report = { event: string; [key: string]: unknown };

// The reader may be gone (a pipe that closed): there is nobody to tell then, and no need to die.
process.stdout.on('error', () => {});

export function report(line: Report): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Reports progress regularly; answers how to end that. */
export function reportEvery(everyMs: number, progress: () => object): () => void {
  const timer = setInterval(() => report({ event: 'progress', ...progress() }), everyMs);
  return () => clearInterval(timer);
}

/** Ends the program with its summary; the exit code follows what it says of itself. */
export async function finish(summary: object, ok: boolean): Promise<never> {
  const line = `${JSON.stringify({ event: 'summary', ok, ...summary })}\n`;
  await new Promise<void>((resolve) => process.stdout.write(line, () => resolve()));
  process.exit(ok ? 0 : 1);
}
