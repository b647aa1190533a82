// The lab as a library: what each command of `npm run lab` does. Every method reads the state
// afresh, so any number of processes may hold a Lab; those that change something take the lock.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import {
  awaitReady,
  gatewayBase,
  publishCluster,
  publishFiles,
  readyTimeoutMs,
  reaperBase,
  startGateway,
  startReaper,
} from './apps.ts';
import { bringUp, isUp, tearDown, type UpOptions } from './bring-up.ts';
import type { Tree } from './config.ts';
import { LabError } from './errors.ts';
import { httpGet } from './http.ts';
import { ip } from './ip.ts';
import { type GatewayLink, setLink } from './links.ts';
import { withLock } from './lock.ts';
import { setOffload } from './offload.ts';
import { labEnvironment, logFile, nodeBinary, trafficMain } from './paths.ts';
import { parseGateway, parseNode } from './plan.ts';
import { endProcesses, processState, signalProcess } from './processes.ts';
import { parsePrometheus } from './prometheus.ts';
import { checkRequirements } from './requirements.ts';
import { carrierOf, type FlowTuple, setRoutes } from './routes.ts';
import {
  type GatewayRecord,
  type LabState,
  type ReaperRecord,
  readState,
  writeState,
} from './state.ts';
import { type LabStatus, type StoreStateName, statusOf } from './status.ts';
import { changeServer, changeStore, type ServerChange, type StoreAction } from './store-control.ts';
import { Traffic, type TrafficEvent, type TrafficProgram } from './traffic.ts';

export type LabOptions = { log?: (line: string) => void };
/** `program`: what the gateway runs from now on, in place of the lab's. */
export type StartOptions = { signal?: AbortSignal; program?: string };
export type ExecResult = { code: number; stdout: string; stderr: string };

const stopGraceMs = 10_000;
const execOutputCharsMax = 16 * 1024 * 1024;

export class Lab {
  readonly #log: (line: string) => void;

  constructor(options: LabOptions = {}) {
    this.#log = options.log ?? (() => {});
  }

  /** Returns when every gateway is ready. On failure everything is removed again. */
  async up(options: UpOptions = {}): Promise<{ alreadyUp: boolean }> {
    checkRequirements();
    const lock = options.signal ? { signal: options.signal } : {};
    return withLock('up', () => bringUp(options, this.#log), lock);
  }

  /** Ends every process and removes everything; fine when nothing is there. */
  async down(): Promise<{ wasUp: boolean }> {
    checkRequirements();
    return withLock('down', () => tearDown(this.#log));
  }

  status(): Promise<LabStatus> {
    return statusOf(readState());
  }

  /** SIGKILL, then both routers drop the gateway at once, unless they are to keep it. */
  async kill(name: string, options: { keepRoute?: boolean } = {}): Promise<void> {
    await this.#change(`kill ${name}`, async (state) => {
      const reaper = this.#reaper(state, name);
      if (reaper) {
        if (reaper.process) await endProcesses([reaper.process], 0);
        reaper.process = null;
        return this.#log(`${name} killed`);
      }
      const gateway = this.#gatewayWithApp(state, name);
      const died = gateway.process ? signalProcess(gateway.process, 'SIGKILL') : false;
      if (!options.keepRoute) await this.#setRouted(state, gateway, false);
      if (gateway.process) await endProcesses([gateway.process], 0);
      gateway.process = null;
      const route = options.keepRoute ? 'still routed' : 'routed off';
      this.#log(`${gateway.name} ${died ? 'killed' : 'was not running'}, ${route}`);
    });
  }

  /** Routers drop it, then it stops in order: it reports and gives back what it holds. */
  async stop(name: string): Promise<void> {
    await this.#change(`stop ${name}`, async (state) => {
      const gateway = this.#gatewayWithApp(state, name);
      await this.#setRouted(state, gateway, false);
      if (gateway.process) await endProcesses([gateway.process], stopGraceMs);
      gateway.process = null;
      this.#log(`${name} stopped`);
    });
  }

  /**
   * Starts a gateway that is down; traffic comes back to it once it is ready. The lock is free
   * while it gets ready, so that others may be killed meanwhile, or this one again.
   */
  async start(name: string, options: StartOptions = {}): Promise<void> {
    if (this.#reaper(this.#upState(), name)) return this.#startReaper(name, options);
    const { gateway, base } = await this.#change(`start ${name}`, async (state) => {
      if (options.program !== undefined) this.#gateway(state, name).program = options.program;
      const gateway = this.#gatewayWithApp(state, name);
      if (gateway.process && processState(gateway.process) !== 'gone') {
        this.#log(`${gateway.name} runs already`);
      } else {
        gateway.wasReady = false;
        gateway.process = await startGateway((state.apps as { gateway: string }).gateway, gateway);
      }
      return { gateway, base: gatewayBase(state.management, gateway.index) };
    });
    await awaitReady(gateway, base, readyTimeoutMs(1), options.signal);
    await this.#change(`start ${name}`, async (state) => {
      const now = this.#gateway(state, name);
      if (now.process?.pid !== gateway.process?.pid) {
        throw new LabError('LAB_CONFLICT', `${now.name} was killed while it started`);
      }
      now.wasReady = true;
      await this.#setRouted(state, now, true);
      this.#log(`${now.name} is ready and routed`);
    });
  }

  async #startReaper(name: string, { signal }: StartOptions): Promise<void> {
    const { reaper, base } = await this.#change(`start ${name}`, async (state) => {
      const reaper = this.#reaper(state, name) as ReaperRecord;
      const runs = reaper.process && processState(reaper.process) !== 'gone';
      if (!runs) {
        reaper.process = await startReaper((state.apps as { reaper: string }).reaper, reaper);
      }
      return { reaper, base: reaperBase(state.management, reaper.port) };
    });
    await awaitReady(reaper, base, readyTimeoutMs(1), signal);
    this.#log(`${name} is ready`);
  }

  /** Stops a gateway or a reaper in its tracks (SIGSTOP), or lets it go on. Routes stay. */
  async signal(name: string, to: 'pause' | 'resume'): Promise<void> {
    const state = this.#upState();
    const record = this.#reaper(state, name) ?? this.#gatewayWithApp(state, name);
    const sent =
      record.process && signalProcess(record.process, to === 'pause' ? 'SIGSTOP' : 'SIGCONT');
    if (!sent) throw new LabError('LAB_CONFLICT', `${name} does not run: start it first`);
    this.#log(`${name} is ${to}d`);
  }

  /** Cuts one of a gateway's links at the far end, or mends it. Routes are the caller's. */
  async link(name: string, link: GatewayLink, to: 'up' | 'down'): Promise<void> {
    await this.#change(`link ${name} ${link} ${to}`, async (state) => {
      await setLink(this.#gateway(state, name).index, link, to);
      this.#log(`${name}'s ${link} link is ${to}`);
    });
  }

  /**
   * Lays `cluster` over the configuration files, as the next version, and publishes it; answers
   * what the command said once it holds.
   */
  async publish(cluster: Tree): Promise<string> {
    return this.#change('publish', (state) => publishCluster(state, cluster));
  }

  /** What was published, once more: the store lost it. */
  async publishAgain(): Promise<string> {
    return this.#change('publish', publishFiles);
  }

  /** Takes a gateway out of both routers, or puts it back, whatever its process does. */
  async route(name: string, to: 'on' | 'off'): Promise<void> {
    await this.#change(`route ${name} ${to}`, async (state) => {
      const gateway = this.#gateway(state, name);
      await this.#setRouted(state, gateway, to === 'on');
      this.#log(`${gateway.name} is routed ${to}`);
    });
  }

  /** Stop loses all data; start gives an empty server; pause and resume keep it. */
  async store(action: StoreAction): Promise<StoreStateName> {
    return this.#change(`store ${action}`, async (state) => {
      const after = await changeStore(state, action);
      this.#log(`the store is ${after}`);
      return after;
    });
  }

  /** The same to one server of a store of several; `keep` starts it with what it had on disk. */
  async server(
    name: string,
    action: StoreAction,
    change: ServerChange = {},
  ): Promise<StoreStateName> {
    return this.#change(`store ${action} ${name}`, async (state) => {
      const after = await changeServer(state, name, action, change);
      this.#log(`${name} is ${after}`);
      return after;
    });
  }

  /** Turns a node's checksum and segmentation offloads on or off (needs ethtool). */
  async offload(node: string, to: 'on' | 'off'): Promise<void> {
    await setOffload(parseNode(node, this.#upState().gateways.length), to);
  }

  /** Starts a command in a node's namespace; the caller owns the child. `gw1` = `fs-gw1`. */
  spawn(
    node: string,
    command: string,
    args: readonly string[] = [],
    options: SpawnOptions = {},
  ): ChildProcess {
    const namespace = parseNode(node, this.#upState().gateways.length);
    const env = { ...labEnvironment(), ...options.env };
    return spawn('ip', ['netns', 'exec', namespace, command, ...args], { ...options, env });
  }

  /** Runs a command in a node's namespace to its end, at most `timeoutMs` long. */
  exec(
    node: string,
    command: string,
    args: readonly string[] = [],
    options: { timeoutMs?: number; input?: string } = {},
  ): Promise<ExecResult> {
    const child = this.spawn(node, command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
    });
    const result: ExecResult = { code: 1, stdout: '', stderr: '' };
    return new Promise((resolve, reject) => {
      for (const name of ['stdout', 'stderr'] as const) {
        child[name]?.setEncoding('utf8').on('data', (text: string) => {
          if (result[name].length < execOutputCharsMax) result[name] += text;
        });
      }
      child.on('error', reject);
      child.on('close', (code) => resolve({ ...result, code: code ?? 137 }));
      child.stdin?.on('error', () => {});
      child.stdin?.end(options.input ?? '');
    });
  }

  /** Starts one of src/traffic's programs in a node's namespace. */
  traffic(
    node: string,
    program: TrafficProgram,
    args: readonly string[] = [],
    onEvent?: (event: TrafficEvent) => void,
  ): Traffic {
    const child = this.spawn(node, nodeBinary(), [trafficMain(program), ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A session of its own: Ctrl-C on the terminal is the caller's to handle, who asks for
      // summaries first.
      detached: true,
    });
    return new Traffic(`${program} in ${node}`, child, onEvent);
  }

  /** A gateway's metrics now: series as exposed -> value. */
  async metrics(name: string): Promise<Record<string, number>> {
    const state = this.#upState();
    const { index } = this.#gateway(state, name);
    const answer = await httpGet(`${gatewayBase(state.management, index)}/metrics`, 2_000);
    if (answer?.status !== 200) {
      throw new LabError('LAB_FAILED', `${name} answers no metrics (${answer?.status ?? 'down'})`);
    }
    return parsePrometheus(answer.body);
  }

  /** All that `gw1`, `reaper1` or `store` logged so far. */
  logs(name: string): string {
    const state = this.#upState();
    const servers = state.store?.servers ?? [];
    const known = [...state.gateways, ...state.reapers, ...servers].map((record) => record.name);
    if (!known.includes(name)) {
      throw new LabError('LAB_USAGE', `no log of ${name}: there are ${known.join(', ')}`);
    }
    try {
      return readFileSync(logFile(name), 'utf8');
    } catch {
      return '';
    }
  }

  /** Which gateway carries a client's flow to the servers now. */
  async carrier(flow: FlowTuple): Promise<string | undefined> {
    this.#upState();
    return carrierOf(flow);
  }

  /** What a router's kernel says about its route over the gateways (for checks and people). */
  async routerRoute(router: 'fs-lan' | 'fs-wan', prefix: string): Promise<string> {
    return (await ip(['-n', router, 'route', 'show', prefix])).replace(/\s+/g, ' ').trim();
  }

  #upState(): LabState {
    const state = readState();
    if (!state || !isUp(state)) throw new LabError('LAB_NOT_UP', 'the lab is not up: lab up');
    return state;
  }

  #change<T>(what: string, work: (state: LabState) => Promise<T>): Promise<T> {
    checkRequirements();
    return withLock(what, async () => {
      const state = this.#upState();
      try {
        return await work(state);
      } finally {
        writeState(state);
      }
    });
  }

  #gateway(state: LabState, name: string): GatewayRecord {
    const index = parseGateway(name, state.gateways.length);
    return state.gateways[index - 1] as GatewayRecord;
  }

  #reaper(state: LabState, name: string): ReaperRecord | undefined {
    return state.reapers.find((each) => each.name === name);
  }

  #gatewayWithApp(state: LabState, name: string): GatewayRecord {
    if (!state.apps) {
      throw new LabError('LAB_CONFLICT', 'this lab was brought up without gateway programs');
    }
    return this.#gateway(state, name);
  }

  async #setRouted(state: LabState, gateway: GatewayRecord, routed: boolean): Promise<void> {
    gateway.routed = routed;
    await setRoutes(state.gateways.filter((each) => each.routed).map((each) => each.index));
  }
}
