/**
 * The commands of a README's section: its ```sh blocks, each of which says in its first line where
 * it is to be run: "# on redis2 and redis3, as root, in deploy/store".
 */

export interface Step {
  /** "redis2", "the LAN router", "every box" */
  readonly places: readonly string[];
  /** In the repository. */
  readonly folder: string;
  readonly commands: string;
}

/** The text from "## TITLE" to the next heading of that rank. */
export function section(text: string, title: string): string {
  const [, after] = text.split(`\n## ${title}\n`);
  if (after === undefined) throw new Error(`there is no section "${title}"`);
  return after.split('\n## ')[0] as string;
}

/** The steps, in order. Throws where a block does not say where it is to be run. */
export function steps(text: string): Step[] {
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => {
    const [first = '', ...rest] = block.split('\n');
    const [, where, folder = '.'] = /^# on (.+?)(?:, as root)?(?:, in (\S+))?$/.exec(first) ?? [];
    if (where === undefined) throw new Error(`no "# on .." before: ${first}`);
    return { places: where.split(/, | and /), folder, commands: rest.join('\n') };
  });
}

/** The files that a text shows whole: "```yaml deploy/gateway.yaml". */
export function shownFiles(text: string): Map<string, string> {
  const blocks = text.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm);
  return new Map([...blocks].map(([, file = '', content = '']) => [file, content]));
}
