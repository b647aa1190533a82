/**
 * A host on each side sends what nobody should (traffic/attacker.ts). Known flows go on, as fast as
 * before: a ping goes beside them before and meanwhile, and both are told. New flows may have to
 * wait for their turn.
 */
import type { Lab } from '@flowstore/lab';
import type { Fault } from './fault.ts';

const program = new URL('../traffic/attacker.ts', import.meta.url).pathname;
const PACKETS_PER_S = '2000';
const PINGS = 40;
const PING_EVERY_S = 0.05;
/** What was asked for when it ended still has to be answered. */
const LINGERS_MS = 3_000;

export const flood: Fault = async ({ lab, windows, log }, step) => {
  const beforeMs = await roundTripMs(lab);
  const window = windows.open('flood', { refuses: true });
  const seconds = Math.max(step.lastsMs / 1_000, 2 * PINGS * PING_EVERY_S);
  const args = (side: string) => [
    program,
    ...['--side', side, '--packets-per-s', PACKETS_PER_S],
    ...['--seconds', String(seconds), '--seed', String(Math.floor(step.lastsMs))],
  ];
  const attackers = [
    lab.exec('client2', process.execPath, args('inside')),
    lab.exec('server2', process.execPath, args('outside')),
  ];
  const meanwhileMs = await roundTripMs(lab);
  for (const { code, stderr } of await Promise.all(attackers)) {
    if (code !== 0) throw new Error(`the attacker failed: ${stderr}`);
  }
  window.end(LINGERS_MS);
  log(`flood: a round trip takes ${meanwhileMs} ms, before it ${beforeMs} ms`);
};

/** The median of many. */
async function roundTripMs(lab: Lab): Promise<number> {
  const args = ['-n', '-c', String(PINGS), '-i', String(PING_EVERY_S), '198.51.100.10'];
  const { stdout } = await lab.exec('client1', 'ping', args);
  const all = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
  return all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;
}
