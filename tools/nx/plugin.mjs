// Infers each project's targets from its place in the tree, so that no project.json is needed:
// a folder of packages/, apps/ or tools/ with a tsconfig.json has `build` (types and JavaScript by
// tsc -b) and `test` (its vitest files), and a tag that says which kind it is.
import { dirname } from 'node:path';

export const createNodesV2 = [
  '{packages,apps,tools}/*/tsconfig.json',
  (files) =>
    files.map((file) => {
      const root = dirname(file);
      const kind = { packages: 'package', apps: 'app', tools: 'tool' }[root.split('/')[0]];
      const targets = {
        build: { command: `tsc -b ${root}`, dependsOn: ['^build'] },
        test: { command: `vitest run --passWithNoTests ${root}` },
      };
      return [file, { projects: { [root]: { root, targets, tags: [`kind:${kind}`] } } }];
    }),
];
