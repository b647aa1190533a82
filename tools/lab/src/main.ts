// npm run lab -- COMMAND
import { pathToFileURL } from 'node:url';
import { buildProgram } from './cli.ts';
import { LabError } from './errors.ts';

async function main(): Promise<void> {
  const abort = new AbortController();
  // The first Ctrl-C lets a command clean up after itself.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => abort.abort(name));
  }
  try {
    process.exitCode = await buildProgram(abort.signal)(process.argv.slice(2));
  } catch (error) {
    if (abort.signal.aborted) {
      console.error('lab: interrupted');
      process.exitCode = 130;
    } else if (error instanceof LabError) {
      console.error(`lab: ${error.message}`);
      process.exitCode = error.exitCode;
    } else {
      throw error;
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
