/** The rules of the house. */
import type { Rule } from './finding.ts';
import { deadFiles } from './rules/dead-files.ts';
import { effects } from './rules/effects.ts';
import { ledger, ledgerPage } from './rules/ledger.ts';
import { outages } from './rules/outages.ts';
import { arrows, declared, purity, readmes, references } from './rules/packages.ts';
import { columns, fileLines, functionLines } from './rules/size.ts';
import { fixedSleeps, hosts, leftOutTests, machinePaths, marks } from './rules/text.ts';

export const RULES: readonly Rule[] = [
  fileLines,
  functionLines,
  columns,
  effects,
  arrows,
  purity,
  declared,
  references,
  deadFiles,
  readmes,
  hosts,
  machinePaths,
  marks,
  leftOutTests,
  fixedSleeps,
  ledger,
  ledgerPage,
  outages,
];
