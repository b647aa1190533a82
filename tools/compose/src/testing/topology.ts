/** A topology of containers, up under a name of its own; `down` leaves nothing, ever. */
import { spawn } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parsePrometheus, sumOf, Traffic, type TrafficProgram, waitFor } from '@flowstore/lab';
import { DockerComposeEnvironment, Wait } from 'testcontainers';
import { docker, dockerResult, linesOf, type Result } from './docker.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
export const CHANGE_MS_MAX = 90_000;
const START_MS_MAX = 240_000;

export interface TopologyOptions {
  /** In the repository; docker-compose.yml by default. */
  readonly file?: string;
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Only these services, and what they depend on. */
  readonly services?: readonly string[];
}

export class Topology {
  readonly project = `flowstore-test-${process.pid}`;
  /** What the images are called; npm run test:compose built them once, for all topologies. */
  readonly tag = process.env.IMAGES_TAG ?? this.project;
  readonly #options: TopologyOptions;
  readonly #file: string;
  readonly #isBuiltHere = process.env.IMAGES_TAG === undefined;
  // A port that nobody else has; a tag that is nobody's image.
  readonly #environment: Record<string, string>;

  constructor(options: TopologyOptions = {}) {
    this.#options = options;
    this.#file = join(root, options.file ?? 'docker-compose.yml');
    const own = { REDIS_PORT: '0', PROMETHEUS_PORT: '0', TAG: this.tag };
    this.#environment = { ...own, ...options.environment };
  }

  async up(): Promise<void> {
    const environment = new DockerComposeEnvironment(dirname(this.#file), basename(this.#file))
      .withProjectName(this.project)
      .withEnvironment({ ...(process.env as Record<string, string>), ...this.#environment })
      .withProfiles(...(this.#options.profiles ?? []))
      .withWaitStrategy('init-1', Wait.forOneShotStartup())
      .withWaitStrategy('cluster-init-1', Wait.forOneShotStartup())
      .withStartupTimeout(START_MS_MAX);
    if (this.#isBuiltHere) environment.withBuild();
    await environment.up(this.#options.services ? [...this.#options.services] : undefined);
  }

  /** Containers, networks, volumes, images: all of it, in whatever state they are. */
  async down(): Promise<void> {
    for (const id of await this.#ids('--filter', 'status=paused')) await docker(['unpause', id]);
    const all = ['--volumes', '--remove-orphans', '--timeout', '1'];
    await this.compose('--profile', '*', 'down', ...all);
    // Those that were built for it, none that was pulled.
    const images = await this.#images();
    if (images.length > 0) await docker(['image', 'rm', ...images]);
  }

  /** What is left of it: names of containers, networks and images. */
  async remains(): Promise<string[]> {
    const label = `label=com.docker.compose.project=${this.project}`;
    const lists = await Promise.all([
      docker(['ps', '--all', '--filter', label, '--format', '{{.Names}}']),
      docker(['network', 'ls', '--filter', label, '--format', '{{.Name}}']),
      docker(['volume', 'ls', '--filter', label, '--format', '{{.Name}}']),
    ]);
    return [...lists.flatMap(linesOf), ...(await this.#images())];
  }

  compose(...args: string[]): Promise<string> {
    const place = ['compose', '--file', this.#file, '--project-name', this.project];
    const profiles = (this.#options.profiles ?? []).flatMap((each) => ['--profile', each]);
    return docker([...place, ...profiles, ...args], { ...process.env, ...this.#environment });
  }

  async scale(gateways: number): Promise<void> {
    const scale = ['--scale', `gateway=${gateways}`, '--no-recreate', '--no-deps'];
    await this.compose('up', '--detach', ...scale, 'gateway');
    await this.routed(gateways);
  }

  /** As it was once up: what a failed test left dead, stopped or cut off would fail all others. */
  async restore(): Promise<void> {
    for (const id of await this.#ids('--filter', 'status=paused')) await docker(['unpause', id]);
    await this.start('redis-1');
    const gateways = ['gateway-1', 'gateway-2'];
    for (const gateway of gateways) {
      const connected = await this.inspect(gateway, '{{json .NetworkSettings.Networks}}');
      if (!connected.includes(`"${this.project}_inside"`)) await this.connect(gateway, 'inside');
      await this.start(gateway);
    }
    await this.routed(gateways.length);
  }

  async start(container: string): Promise<void> {
    if (!(await this.#isRunning(container))) await docker(['start', this.name(container)]);
  }

  /** To a network, by its alias there. The container must not run: it may be about to restart. */
  async connect(gateway: string, network: string): Promise<void> {
    const alias = ['--alias', `gateway-${network}`];
    await docker(['stop', '--time', '1', this.name(gateway)]);
    const whole = `${this.project}_${network}`;
    await docker(['network', 'connect', ...alias, whole, this.name(gateway)]);
  }

  /** "gateway-1" -> the container's name. */
  name(container: string): string {
    return `${this.project}-${container}`;
  }

  exec(container: string, ...command: string[]): Promise<Result> {
    return dockerResult(['exec', this.name(container), ...command]);
  }

  logs(container: string): Promise<string> {
    return docker(['logs', this.name(container)]);
  }

  inspect(container: string, format: string): Promise<string> {
    const args = ['inspect', '--format', format, this.name(container)];
    return docker(args).then((text) => text.trim());
  }

  /** The address in one of the topology's networks; empty when it has none there. */
  address(container: string, network: string): Promise<string> {
    const networks = `index .NetworkSettings.Networks "${this.project}_${network}"`;
    return this.inspect(container, `{{with ${networks}}}{{.IPAddress}}{{end}}`);
  }

  /** What a gateway or the reaper exposes. */
  async metrics(container: string, port = 9464): Promise<string> {
    const get = "printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    const ask = `exec 3<>/dev/tcp/127.0.0.1/${port}; ${get}`;
    return (await this.exec(container, 'bash', '-c', ask)).out;
  }

  /** The sum of a metric's series. */
  async metric(container: string, name: string, port = 9464): Promise<number> {
    return sumOf(parsePrometheus(await this.metrics(container, port)), name);
  }

  /** The routers' next hops as they are now. */
  async hops(router: 'lan' | 'wan'): Promise<string[]> {
    const prefix = router === 'lan' ? 'default' : '203.0.113.0/28';
    const { out } = await this.exec(`${router}-1`, 'ip', 'route', 'show', prefix);
    return [...out.matchAll(/via (\S+)/g)].map(([, hop]) => hop as string);
  }

  /** Waits until both routers send to exactly so many gateways. */
  async routed(gateways: number): Promise<void> {
    const done = async () => {
      const [lan, wan] = await Promise.all([this.hops('lan'), this.hops('wan')]);
      return lan.length === gateways && wan.length === gateways;
    };
    await waitFor(`both routers to use ${gateways} gateways`, done, CHANGE_MS_MAX);
  }

  /** The gateway that the client's packets of this TCP flow go through now. */
  async carrierOf(sourcePort: number, destinationPort: number): Promise<string> {
    // A number: the names of protocols are a file that small images lack.
    const flow = `ipproto 6 sport ${sourcePort} dport ${destinationPort}`.split(' ');
    const way = ['from', '198.18.1.10', 'iif', await this.#device('lan-1', '198.18.1.1')];
    const { out } = await this.exec(
      'lan-1',
      'ip',
      'route',
      'get',
      '198.51.100.10',
      ...way,
      ...flow,
    );
    const hop = /via (\S+)/.exec(out)?.[1];
    for (const gateway of await this.gateways()) {
      if ((await this.address(gateway, 'inside')) === hop) return gateway;
    }
    throw new Error(`no gateway is at ${hop}: ${out}`);
  }

  /** "gateway-1", ..., those that run. */
  async gateways(): Promise<string[]> {
    const filters = ['--filter', 'label=com.docker.compose.service=gateway'];
    const names = await docker(['ps', ...this.#mine, ...filters, '--format', '{{.Names}}']);
    return linesOf(names).map((name) => name.slice(this.project.length + 1));
  }

  /** A program of the lab, in the client's container, until told to stop. */
  traffic(program: TrafficProgram, ...args: string[]): Traffic {
    const file = `tools/lab/src/traffic/${program}.ts`;
    const inside = ['exec', '--interactive', this.name('client-1'), 'node', file, ...args];
    return new Traffic(program, spawn('docker', inside, { stdio: 'pipe' }));
  }

  get #mine(): string[] {
    return ['--filter', `label=com.docker.compose.project=${this.project}`];
  }

  async #isRunning(container: string): Promise<boolean> {
    return (await this.inspect(container, '{{.State.Status}}')) === 'running';
  }

  async #ids(...filters: string[]): Promise<string[]> {
    return linesOf(await docker(['ps', '--quiet', ...this.#mine, ...filters]));
  }

  async #images(): Promise<string[]> {
    if (!this.#isBuiltHere) return [];
    const format = ['--format', '{{.Repository}}:{{.Tag}}'];
    return linesOf(await docker(['image', 'ls', ...format, `flowstore/*:${this.tag}`]));
  }

  async #device(container: string, address: string): Promise<string> {
    const { out } = await this.exec(container, 'ip', '-oneline', 'address', 'show', 'to', address);
    return out.split(/\s+/)[1] as string;
  }
}
