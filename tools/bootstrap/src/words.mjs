// How the bootstrap speaks: on stderr, because stdout is the task's.

export function say(line) {
  process.stderr.write(`flowstore: ${line}\n`);
}

/** Something that the user has to see to: one clear line, exit code 2. */
export class BootstrapError extends Error {}
