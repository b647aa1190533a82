/** Live connections through whatever happens, and the word that none of them was lost. */
import { type Traffic, type TrafficEvent, waitFor } from '@flowstore/lab';
import { expect } from 'vitest';
import type { Topology } from './topology.ts';

const CONNECTIONS = 40;
const MORE_ECHOES = 400;

export async function openConnections(topology: Topology): Promise<Traffic> {
  const args = ['--connections', `${CONNECTIONS}`, '--interval-ms', '100', '--progress-ms', '200'];
  const traffic = topology.traffic('trickle', ...args);
  expect(await traffic.waitFor('opened', 60_000)).toMatchObject({ opened: CONNECTIONS });
  await goOn(traffic);
  return traffic;
}

/** Waits until some hundred more echoes came: the connections go on. */
export async function goOn(traffic: Traffic): Promise<void> {
  const heard = () => (traffic.latest.get('progress')?.received as number | undefined) ?? 0;
  const before = heard();
  await waitFor('the connections to go on', () => heard() > before + MORE_ECHOES, 60_000);
}

/** Every one of them got its last word answered, none was reset or mixed up with another. */
export async function closeConnections(traffic: Traffic): Promise<TrafficEvent> {
  // The stream is the leash: a signal would end the docker command before it could tell.
  traffic.child.stdin?.end();
  const summary = await traffic.summary(60_000);
  const { opened, survived, reset, refused, misdelivered } = summary;
  const fates = { opened, survived, reset, refused, misdelivered };
  const all = { opened: CONNECTIONS, survived: CONNECTIONS };
  expect(fates).toEqual({ ...all, reset: 0, refused: 0, misdelivered: 0 });
  return summary;
}
