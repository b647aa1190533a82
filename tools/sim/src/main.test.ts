import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { MUTANTS } from './mutants.ts';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));

function sim(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('--mutants prints bare names and nothing else', () => {
  const { status, stdout } = sim('--mutants');
  expect(status).toBe(0);
  expect(stdout).toBe(MUTANTS.map(({ name }) => `${name}\n`).join(''));
});

test('a mutant that is caught ends with 1, and the failure says how to see it again', () => {
  const args = ['--mutant', 'quarantine-skipped', '--seed', '2'];
  const { status, stdout } = sim(...args, '--json');
  expect(status).toBe(1);
  const { failures } = JSON.parse(stdout.trim().split('\n').at(-1)!);
  const replay = 'npm run sim -- --seed 2 --mutant quarantine-skipped';
  expect(failures).toMatchObject([{ seed: 2, invariant: 'I1', replay }]);
});

test('a mutant that is caught is told with the number of seeds that it took', () => {
  const { status, stdout } = sim('--mutant', 'quarantine-skipped', '--seeds', '1..3');
  expect(status).toBe(1);
  expect(stdout).toMatch(/^quarantine-skipped: caught by I1 after [123] seeds$/m);
});

test('a mutant that is not caught in its range ends with 0, and says so', () => {
  // Less than a minute of traffic: hardly time enough for a timeout.
  const { status, stdout } = sim('--mutant', 'no-remembered', '--seed', '3', '--hours', '0.01');
  expect(stdout).toMatch(/^no-remembered: not caught in 1 seeds$/m);
  expect(status).toBe(0);
});

test('the number of gateways and the hours of traffic are said in the line that replays', () => {
  const args = ['--mutant', 'sweep-never', '--seed', '2', '--hours', '0.02', '--gateways', '5'];
  const { status, stdout } = sim(...args);
  expect(status).toBe(1);
  const replay = 'npm run sim -- --seed 2 --hours 0.02 --gateways 5 --mutant sweep-never';
  expect(stdout.split('\n')).toContain(replay);
});

test('a seed that passes ends with 0, and says what was checked', () => {
  const { status, stdout } = sim('--seeds', '12..12', '--json');
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ seeds: 1, failures: [] });
  expect(report.packets).toBeGreaterThan(1_000);
  expect(Object.keys(report.checks)).toEqual(['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8']);
});

test.each([
  [['--mutant', 'no-such-one']],
  [['--seeds', '5..1']],
  [['--seed', 'x']],
  [['--gateways', '0']],
  [['--hours', '0']],
  [['--fault', 'no-such-one']],
  [['--no-such-option']],
  [['word']],
])('bad usage %j ends with 2', (args) => {
  const { status, stdout, stderr } = sim(...args);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^error: /);
});
