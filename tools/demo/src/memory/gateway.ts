/**
 * A gateway of the demo: the gateway-core and the packet loop of apps/gateway on two memory wires,
 * with a store connection of its own. It may live several times; each life begins with an empty
 * table and a new incarnation.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { FlowStore, MemberInfo } from '@flowstore/flow-store';
import { PacketLoop } from '@flowstore/gateway/packet-loop';
import { DEFAULT_LIMITS, GatewayCore, performCall, type StoreReply } from '@flowstore/gateway-core';
import type { Wire } from '@flowstore/packet-io';
import type { GatewayResult } from '../result.ts';
import { nextHopsOf } from './plan.ts';

/** Opens a store connection; each life of a gateway has its own. */
export type OpenStore = () => Promise<FlowStore>;

interface Life {
  readonly store: FlowStore;
  readonly member: MemberInfo;
  readonly core: GatewayCore;
  readonly loop: PacketLoop;
  readonly wires: { readonly inside: Wire; readonly outside: Wire };
  readonly replies: StoreReply[];
  tickAtMs: number;
  heartbeatAtMs: number;
}

interface Counters {
  packetsOut: number;
  packetsIn: number;
  foundInStore: number;
}

const TICK_MS = 5;
/** A table for the demo's few hundred flows, not for millions. */
const LIMITS = { ...DEFAULT_LIMITS, flowsMax: 65_536 };

export class MemoryGateway {
  readonly name: string;
  /** What it could not do; the run has failed then. */
  readonly problems: string[] = [];
  readonly #openStore: OpenStore;
  readonly #clock: () => number;
  readonly #ended: Counters = { packetsOut: 0, packetsIn: 0, foundInStore: 0 };
  #kills = 0;
  #life: Life | null = null;

  constructor(name: string, openStore: OpenStore, clock: () => number) {
    this.name = name;
    this.#openStore = openStore;
    this.#clock = clock;
  }

  get isAlive(): boolean {
    return this.#life !== null;
  }

  /** Packets that wait for the store right now: they die with it. */
  get questions(): number {
    return this.#life?.core.gauges.questions ?? 0;
  }

  /** Connects and joins; ready for packets when it resolves. */
  async start(wires: Life['wires']): Promise<void> {
    const store = await this.#openStore();
    const incarnation = randomBytes(8).toString('hex');
    const addresses = { controlUrl: 'http://192.0.2.1:1', peerAddress: null };
    const member = { name: this.name, incarnation, ...addresses };
    try {
      const joined = await store.join(member);
      if (joined.kind === 'configMismatch') {
        throw new Error('the Redis holds a deployment that is not this demo: name another Redis');
      }
      if (joined.kind !== 'joined') throw new Error(`${this.name} may not join: ${joined.kind}`);
    } catch (error) {
      await store.end();
      throw error;
    }
    const nowMs = this.#clock();
    const core = new GatewayCore({
      config: store.config,
      limits: LIMITS,
      incarnation,
      random: () => randomInt(2 ** 32),
      nowMs,
      emit: (side, memory, length) => loop.send(side, memory, 0, length, this.#clock()),
    });
    const loop = new PacketLoop(core, wires, nextHopsOf(this.name));
    const heartbeatAtMs = nowMs + store.config.heartbeatMs;
    this.#life = { store, member, core, loop, wires, replies: [], tickAtMs: 0, heartbeatAtMs };
  }

  step(nowMs: number): number {
    const life = this.#life;
    if (life === null) return 0;
    for (const reply of life.replies.splice(0)) life.core.reply(reply, nowMs);
    const frames = life.loop.step(nowMs);
    if (nowMs >= life.tickAtMs) {
      life.tickAtMs = nowMs + TICK_MS;
      life.core.tick(nowMs);
    }
    for (const call of life.core.takeCalls(nowMs)) {
      const onError = (error: unknown) => this.#complain(life, error);
      void performCall(life.store, call, onError).then((reply) => life.replies.push(reply));
    }
    if (nowMs >= life.heartbeatAtMs) {
      life.heartbeatAtMs = nowMs + life.store.config.heartbeatMs;
      void this.#beat(life);
    }
    // What was held and left with a reply waits in the send queues.
    life.loop.flush();
    return frames;
  }

  /**
   * As SIGKILL would: table, packets and unsent reports are gone, nobody is told. What is on its
   * way to the store may still happen there, as it would with a process.
   */
  kill(): void {
    this.#kills++;
    this.#bury();
  }

  /** Tells the store what is left to tell, and leaves; `until` waits between two steps. */
  async stop(until: (holds: () => boolean) => Promise<void>): Promise<void> {
    const life = this.#life;
    if (life === null) return;
    life.core.finish(this.#clock());
    await until(() => life.core.settled);
    await life.store.leave(life.member);
    this.#bury();
  }

  /** Idempotent. Drops what is left without a word. */
  close(): void {
    if (this.#life !== null) this.#bury();
  }

  /** Over all of its lives. */
  get result(): GatewayResult {
    const ended = { ...this.#ended };
    if (this.#life !== null) addCounters(ended, this.#life.core);
    return { name: this.name, ...ended, kills: this.#kills };
  }

  #bury(): void {
    const { core, store, wires } = this.#life!;
    addCounters(this.#ended, core);
    this.#life = null;
    wires.inside.close();
    wires.outside.close();
    void store.end();
  }

  async #beat(life: Life): Promise<void> {
    try {
      const { kind } = await life.store.heartbeat(life.member);
      if (kind !== 'alive') throw new Error('the store no longer knows it');
    } catch (error) {
      this.#complain(life, error);
    }
  }

  /** What a killed gateway's calls end with is nobody's problem. */
  #complain(life: Life, error: unknown): void {
    if (this.#life !== life) return;
    this.problems.push(`${this.name}: the store failed: ${(error as Error).message}`);
  }
}

function addCounters(sum: Counters, { counters }: GatewayCore): void {
  sum.packetsOut += counters.packetsOut;
  sum.packetsIn += counters.packetsIn;
  sum.foundInStore += counters.foundInStore + counters.flowsForeseen;
}
