/** The machines that README's "Run it for real" is about, and its commands run on them. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { docker, linesOf } from './docker.ts';
import type { Step } from './handbook.ts';
import { BOXES, BUILDER, MACHINES, placesOf } from './places.ts';
import { Topology } from './topology.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const LIMIT_MS = 240_000;

/** How a block begins that is for a box's own engine; it has none here, so it is given to ours. */
const OF_THE_ENGINE = /^(docker compose |cat > \.env |sed -i \S+ \.env)/;

export class Machines {
  readonly topology = new Topology({ file: 'tools/compose/machines.yaml' });
  /** A copy of `deploy` for each box: it is the box's own. */
  #home = '';

  async up(): Promise<void> {
    this.#home = mkdtempSync(join(tmpdir(), 'flowstore-machines-'));
    await this.topology.up();
    for (const name of MACHINES) {
      const deploy = [join(root, 'deploy'), `${this.topology.name(name)}-1:/root/deploy`];
      await docker(['cp', ...deploy]);
    }
    for (const box of BOXES) {
      cpSync(join(root, 'deploy'), join(this.#home, box, 'deploy'), { recursive: true });
    }
  }

  async down(): Promise<void> {
    for (const box of BOXES) {
      const label = `label=com.docker.compose.project=${this.topology.name(box)}`;
      const ids = linesOf(await docker(['ps', '--all', '--quiet', '--filter', label]));
      if (ids.length > 0) await docker(['rm', '--force', ...ids]);
    }
    await this.topology.down();
    const format = ['--format', '{{.Repository}}:{{.Tag}}'];
    const images = linesOf(await docker(['image', 'ls', ...format, `${this.#registry}/*`]));
    if (images.length > 0) await docker(['image', 'rm', ...images]);
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** One place after the other; answers what each said. */
  async follow({ places, folder, commands }: Step): Promise<string[]> {
    const said: string[] = [];
    for (const place of placesOf(places)) {
      if (place === BUILDER) said.push(await this.#onEngine(root, commands));
      else if (OF_THE_ENGINE.test(commands)) said.push(await this.onBox(place, commands, folder));
      else said.push(await this.onMachine(place, commands, folder));
    }
    return said;
  }

  /** With the engine that stands for the box's own, in the network of the box. */
  onBox(box: string, commands: string, folder = 'deploy/box'): Promise<string> {
    const name = this.topology.name(box);
    return this.#onEngine(join(this.#home, box, folder), commands, {
      COMPOSE_PROJECT_NAME: name,
      NETWORK: `container:${name}-1`,
    });
  }

  onMachine(name: string, commands: string, folder = '.'): Promise<string> {
    const inside = ['exec', '--workdir', `/root/${folder}`, `${this.topology.name(name)}-1`];
    return docker([...inside, 'bash', '-ec', commands]);
  }

  get #registry(): string {
    return this.topology.project;
  }

  async #onEngine(cwd: string, commands: string, own: NodeJS.ProcessEnv = {}): Promise<string> {
    const { TAG: _, ...rest } = process.env;
    const env = { ...rest, REGISTRY: this.#registry, ...own };
    const options = { cwd, env, timeout: LIMIT_MS };
    const { stdout } = await promisify(execFile)('bash', ['-ec', commands], options);
    return stdout;
  }
}
