import { describe, expect, it } from 'vitest';
import {
  countCheck,
  countVitest,
  exitCode,
  fileFilters,
  summaryLine,
  vitestStages,
  whatFailed,
} from './stages.mjs';

const file = (status: string, ...statuses: string[]) => ({
  status,
  assertionResults: statuses.map((each) => ({ status: each })),
});

describe('counting', () => {
  it('sums a report’s tests', () => {
    const testResults = [
      file('passed', 'passed', 'passed', 'pending'),
      file('failed', 'failed', 'passed', 'todo'),
    ];
    expect(countVitest({ testResults }, 1)).toEqual({ passed: 3, failed: 1, skipped: 2 });
  });

  it('counts a file that could not be loaded', () => {
    const testResults = [file('failed'), file('passed', 'passed')];
    expect(countVitest({ testResults }, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it('counts a run that crashed, with or without a report', () => {
    expect(countVitest(undefined, 1).failed).toBe(1);
    expect(countVitest(undefined, 0).failed).toBe(1);
    expect(countVitest({ testResults: [file('passed', 'passed')] }, 1)).toMatchObject({
      passed: 1,
      failed: 1,
    });
  });

  it('counts a check as one', () => {
    expect(countCheck(0)).toEqual({ passed: 1, failed: 0, skipped: 0 });
    expect(countCheck(2)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});

describe('what failed', () => {
  const failing = { status: 'failed', fullName: 'the wheel fires', failureMessages: ['a\n\nb'] };

  it('is named by file and test, with the first lines of why', () => {
    const why = Array.from({ length: 40 }, (_, at) => `line ${at}`).join('\n');
    const testResults = [
      { name: 'x.test.ts', status: 'failed', assertionResults: [{ status: 'passed' }, failing] },
      {
        name: 'y.test.ts',
        status: 'failed',
        assertionResults: [{ ...failing, failureMessages: [why] }],
      },
    ];
    const [first, second] = whatFailed({ testResults });
    expect(first).toBe('FAILED x.test.ts > the wheel fires\n    a\n    b');
    expect(second?.split('\n')).toHaveLength(13);
  });

  it('names a file that could not be loaded', () => {
    const testResults = [
      { name: 'z.test.ts', status: 'failed', message: 'no such module', assertionResults: [] },
    ];
    expect(whatFailed({ testResults })).toEqual(['FAILED z.test.ts\n    no such module']);
  });

  it('is nothing where nothing failed, or where there is no report', () => {
    expect(whatFailed({ testResults: [file('passed', 'passed')] })).toEqual([]);
    expect(whatFailed(undefined)).toEqual([]);
  });
});

describe('the last line', () => {
  it('names skipped tests only when there are any', () => {
    expect(summaryLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
    expect(summaryLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });

  it('comes with success only when something passed and nothing failed', () => {
    expect(exitCode({ passed: 1, failed: 0 })).toBe(0);
    expect(exitCode({ passed: 1, failed: 1 })).toBe(1);
    expect(exitCode({ passed: 0, failed: 0 })).toBe(1);
  });
});

describe('the stages of vitest', () => {
  const netns = ['tools/lab/src/lab.netns.test.ts', 'apps/x/src/y.netns.test.ts'];
  const compose = ['tools/compose/src/a.compose.test.ts'];
  const files = { netns, compose };

  it('run what builds networks or needs containers last and one at a time', () => {
    const [tests, networks, containers] = vitestStages([], files);
    expect(tests?.args).toContain('**/*.netns.test.ts');
    expect(tests?.args).toContain('**/*.compose.test.ts');
    expect(networks?.args).toEqual(['run', '--no-file-parallelism', ...netns]);
    expect(containers?.args).toEqual(['run', '--no-file-parallelism', ...compose]);
    expect(containers?.inContainers).toBe(true);
  });

  it('follow a filter, and options apply to all', () => {
    const [tests, networks] = vitestStages(['tools/lab', '-t', 'stands'], files);
    expect(tests?.args.slice(-3)).toEqual(['tools/lab', '-t', 'stands']);
    expect(networks?.args).toEqual(['run', '--no-file-parallelism', netns[0], '-t', 'stands']);
    expect(vitestStages(['packages/flow'], files)).toHaveLength(1);
  });

  it('tell files from options and their values', () => {
    expect(fileFilters(['-t', 'name', 'flow', '--bail', '1', '--ui=x'])).toEqual(['flow']);
  });
});
