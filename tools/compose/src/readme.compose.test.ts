// README's "Run it for real", followed to the letter on machines that are containers: every command
// of it, FRR on one side and BIRD on the other, three Redis with Sentinels.
import { readFileSync } from 'node:fs';
import { waitFor } from '@flowstore/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeConnections, goOn, openConnections } from './testing/connections.ts';
import { composeSkipReason, docker } from './testing/docker.ts';
import { type Step, section, steps } from './testing/handbook.ts';
import { Machines } from './testing/machines.ts';
import { CHANGE_MS_MAX } from './testing/topology.ts';

const skip = composeSkipReason() ?? '';
const why = skip === '' ? '' : ` (${skip})`;
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

const IMAGES = ['gateway', 'reaper', 'routing'];

describe.skipIf(skip)(`run for real, by the README${why}`, { timeout: 300_000 }, () => {
  const machines = new Machines();
  const { topology } = machines;
  const all = steps(section(readme, 'Run it for real'));
  const isUpgrade = ({ commands }: Step) => commands.includes('TAG=2');
  const isLook = ({ commands }: Step) => /show|compose ps/.test(commands);
  const looks = all.filter(isLook);

  beforeAll(() => machines.up(), 600_000);
  afterAll(async () => {
    await machines.down();
    expect(await topology.remains()).toEqual([]);
  }, 120_000);

  it('its commands, one after the other, make a deployment that both routers use', async () => {
    expect(looks.length).toBe(3);
    for (const step of all) if (!isUpgrade(step) && !isLook(step)) await machines.follow(step);
    await topology.routed(2);
    const connections = await openConnections(topology);
    await closeConnections(connections);
  });

  it('what it says to look at tells of both boxes', async () => {
    const [onLan, onWan, onBoxes] = looks as [Step, Step, Step];
    const twice = (said: string[], state: RegExp) =>
      said[0]?.match(state)?.length === 2 &&
      said[0].match(/via 198\.1[89]\.101\.[23]/g)?.length === 2;
    const lan = async () => twice(await machines.follow(onLan), /\bup\b/g);
    const wan = async () => twice(await machines.follow(onWan), /\bUp\b/g);
    await waitFor('FRR to tell of both', lan, CHANGE_MS_MAX);
    await waitFor('BIRD to tell of both', wan, CHANGE_MS_MAX);
    const boxes = await machines.follow(onBoxes);
    expect(boxes.map((said) => said.match(/\(healthy\)/g)?.length)).toEqual([3, 3]);
  });

  it('a box that is dead is found so by BFD, and nothing is reset', async () => {
    const connections = await openConnections(topology);
    await machines.onBox('box1', 'docker compose pause gateway routing');
    await topology.routed(1);
    await goOn(connections);
    await machines.onBox('box1', 'docker compose unpause gateway routing');
    await topology.routed(2);
    await goOn(connections);
    await closeConnections(connections);
  });

  it('a gateway that is dead on a living box loses its routes, and nothing is reset', async () => {
    const connections = await openConnections(topology);
    await machines.onBox('box2', 'docker compose kill gateway');
    await topology.routed(1);
    await goOn(connections);
    await machines.onBox('box2', 'docker compose up --detach --wait');
    await topology.routed(2);
    await closeConnections(connections);
  });

  it('its upgrade drops no flow, and afterwards the new release runs', async () => {
    const releases = (tag: number) => IMAGES.map((name) => `${topology.project}/${name}:${tag}`);
    const [old, next] = [releases(1), releases(2)];
    for (const [at, name] of old.entries()) await docker(['tag', name, next[at] as string]);
    const connections = await openConnections(topology);
    for (const step of all.filter(isUpgrade)) await machines.follow(step);
    await topology.routed(2);
    await goOn(connections);
    await closeConnections(connections);
    for (const box of ['box1', 'box2']) {
      const said = await machines.onBox(box, 'docker compose ps --format "{{.Image}}"');
      expect(said.trim().split('\n').sort()).toEqual(next);
    }
  });

  it('Sentinel makes a replica the master when the master dies, and nothing is reset', async () => {
    const connections = await openConnections(topology);
    const master = async () => {
      const ask = 'redis-cli -p 26379 sentinel get-master-addr-by-name flowstore';
      return (await machines.onMachine('redis3', ask)).split('\n')[0];
    };
    expect(await master()).toBe('198.19.0.21');
    await docker(['kill', topology.name('redis1-1')]);
    await waitFor('another master', async () => (await master()) !== '198.19.0.21', 90_000);
    await goOn(connections);
    await closeConnections(connections);
  });
});
