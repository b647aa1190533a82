/** `npm run images`: makes the base images, and prints the variables that name them. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IMAGE_VARIABLES, makeImages } from './images.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const cache = join(root, 'node_modules/.cache/flowstore-images');

await makeImages({ root, cache, say: (line) => process.stderr.write(`images: ${line}\n`) });
for (const [name, value] of Object.entries(IMAGE_VARIABLES))
  console.log(`export ${name}='${value}'`);
