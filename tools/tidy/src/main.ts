/** Writes the page of RFC compliance from its tables. */
import { readFileSync, writeFileSync } from 'node:fs';
import { LEDGER, PAGE, REQUIREMENTS, renderPage } from './ledger.ts';

const at = (path: string) => new URL(`../../../${path}`, import.meta.url);
const read = (path: string) => readFileSync(at(path), 'utf8');

writeFileSync(at(PAGE), renderPage(read(REQUIREMENTS), read(LEDGER)));
