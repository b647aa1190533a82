/** For tests of the rules: a repository of a few small files. */
import type { Finding, Rule } from '../finding.ts';
import { SourceFile } from '../source.ts';

export function check(rule: Rule, files: Readonly<Record<string, string>>): string[] {
  const sources = Object.entries(files).map(([path, text]) => new SourceFile(path, text));
  return rule.check(sources).map(({ path, line, what }: Finding) => `${path}:${line}: ${what}`);
}

/** A package of the house with these dependencies; its index has `source`. */
export function project(
  folder: string,
  dependencies: readonly string[],
  source = '',
): Record<string, string> {
  const name = `@flowstore/${folder.split('/')[1]}`;
  const versions = Object.fromEntries(dependencies.map((each) => [each, '0.1.0']));
  const house = dependencies.filter((each) => each.startsWith('@flowstore/'));
  const references = house.map((each) => ({ path: `../../packages/${each.split('/')[1]}` }));
  return {
    [`${folder}/package.json`]: JSON.stringify(
      { name, exports: { '.': './src/index.ts' }, dependencies: versions },
      null,
      2,
    ),
    [`${folder}/tsconfig.json`]: JSON.stringify({ references }),
    [`${folder}/README.md`]: `# ${name}\n`,
    [`${folder}/src/index.ts`]: source,
  };
}
