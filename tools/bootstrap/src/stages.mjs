// The stages of `npm test`, and how their results add up.
import { readFileSync } from 'node:fs';

export const zero = { passed: 0, failed: 0, skipped: 0 };

export const add = (a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/** A check without tests of its own counts as one. */
export function countCheck(code) {
  return code === 0 ? { ...zero, passed: 1 } : { ...zero, failed: 1 };
}

/**
 * Counts out of vitest's JSON report. What has no failed test and failed all the same counts as
 * one: a file that could not be loaded, an error outside of any test, a run that left no report.
 */
export function countVitest(report, code) {
  const counts = { ...zero };
  for (const file of report?.testResults ?? []) {
    const failedBefore = counts.failed;
    for (const { status } of file.assertionResults) {
      if (status === 'passed') counts.passed++;
      else if (status === 'failed') counts.failed++;
      else counts.skipped++;
    }
    if (file.status === 'failed' && counts.failed === failedBefore) counts.failed++;
  }
  if ((code !== 0 || !report) && counts.failed === 0) counts.failed = 1;
  return counts;
}

const failureLinesMax = 12;

/**
 * What failed, test by test, with the first lines of why: said again at the very end, where it is
 * found without scrolling through half an hour of output.
 */
export function whatFailed(report) {
  return (report?.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((each) => each.status === 'failed');
    if (status === 'failed' && failed.length === 0) return [describeFailure(name, '', [message])];
    return failed.map((each) => describeFailure(name, each.fullName, each.failureMessages));
  });
}

function describeFailure(file, test, messages) {
  const lines = messages
    .join('\n')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const why = lines.slice(0, failureLinesMax).map((line) => `    ${line}`);
  return [`FAILED ${file}${test === '' ? '' : ` > ${test}`}`, ...why].join('\n');
}

export function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The last line of `npm test`. */
export function summaryLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

export function exitCode({ passed, failed }) {
  return failed === 0 && passed > 0 ? 0 : 1;
}

// Options of vitest whose next argument is their value, and no part of a file's name.
const valued = new Set([
  '-t',
  '--testNamePattern',
  '--project',
  '--testTimeout',
  '--bail',
  '--seed',
]);

/** Which of the arguments narrow the files: those that are neither options nor their values. */
export function fileFilters(args) {
  return args.filter((arg, at) => !arg.startsWith('-') && !valued.has(args[at - 1] ?? ''));
}

/**
 * vitest's runs: what needs nothing, then the files that build networks and those that need
 * containers, one at a time: there is one lab, and one topology.
 */
export function vitestStages(args, { netns = [], compose = [] }) {
  const filters = fileFilters(args);
  const options = args.filter((arg) => !filters.includes(arg));
  const chosen = (files) =>
    filters.length === 0
      ? files
      : files.filter((file) => filters.some((filter) => file.includes(filter)));
  const alone = (name, files, inContainers) => ({
    name,
    args: ['run', '--no-file-parallelism', ...chosen(files), ...options],
    isWanted: chosen(files).length > 0,
    inContainers,
  });
  const apart = ['--exclude', '**/*.netns.test.ts', '--exclude', '**/*.compose.test.ts'];
  return [
    { name: 'tests', args: ['run', '--passWithNoTests', ...apart, ...args], isWanted: true },
    alone('tests in network namespaces', netns, false),
    alone('tests in containers', compose, true),
  ].filter(({ isWanted }) => isWanted);
}
