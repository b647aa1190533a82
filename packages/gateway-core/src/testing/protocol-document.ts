/**
 * The pictures of docs/protocol.md. A picture stands behind a comment with its name:
 *
 *   <!-- picture: first packet -->
 *   ```
 *   ...
 *   ```
 *
 * With UPDATE_PICTURES=1 in the environment what a scenario drew is written into the document.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Picture } from './picture.ts';

const DOCUMENT = new URL('../../../../docs/protocol.md', import.meta.url);

/** The picture as the document has it; throws where there is none of that name. */
export function pictureInDocument(name: string, drawn: Picture): string {
  const text = readFileSync(DOCUMENT, 'utf8');
  const mark = `<!-- picture: ${name} -->\n\`\`\`\n`;
  const start = text.indexOf(mark);
  const end = text.indexOf('\n```', start + mark.length);
  if (start < 0 || end < 0) throw new Error(`docs/protocol.md has no picture "${name}"`);
  if (process.env.UPDATE_PICTURES !== '1') return text.slice(start + mark.length, end);
  writeFileSync(DOCUMENT, text.slice(0, start + mark.length) + drawn + text.slice(end));
  return String(drawn);
}

/** The names of all pictures in the document. */
export function picturesInDocument(): string[] {
  const text = readFileSync(DOCUMENT, 'utf8');
  return [...text.matchAll(/<!-- picture: (.*?) -->/g)].map(([, name]) => name!);
}
