/**
 * The packet thread: owns the wires, the table and the timers, and shares no memory with anyone.
 * It blocks in poll(2) until a packet, a store reply or the next tick is due.
 */
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { GatewayCore, type OutageState } from '@flowstore/gateway-core';
import { Malformed } from '@flowstore/nat';
import {
  bootClock,
  createKernelNextHops,
  createWaiter,
  openAfPacket,
  type Wire,
} from '@flowstore/packet-io';
import { PacketLoop } from './packet-loop.ts';
import { secureRandom } from './random.ts';
import type { FromThread, Snapshot, ThreadOptions, ToThread } from './thread-messages.ts';

/** Timers, retries and renewals are looked at so often. */
const TICK_MS = 5;
/** With nothing under way the thread sleeps longer. */
const IDLE_MS = 50;

class PacketThread {
  readonly #port: MessagePort;
  readonly #clock = bootClock();
  readonly #inside;
  readonly #outside;
  readonly #hops;
  readonly #domains;
  readonly #parts;
  readonly #waiter;
  readonly #core: GatewayCore;
  readonly #loop: PacketLoop;
  #tickAtMs = 0;
  #outage: OutageState = 'reached';
  /** Told to go by something else, and not said yet that it does. */
  #changing = false;
  #finishing = false;
  #finished = false;

  constructor(port: MessagePort, options: ThreadOptions) {
    this.#port = port;
    const nowMs = this.#clock();
    this.#hops = createKernelNextHops({ nowMs });
    this.#inside = openAfPacket({ interfaceName: options.devices.inside });
    this.#outside = openAfPacket({ interfaceName: options.devices.outside });
    this.#domains = options.devices.domains.map(({ domain, inside: interfaceName }) => ({
      domain,
      wire: openAfPacket({ interfaceName }),
      hops: createKernelNextHops({ nowMs, via: interfaceName }),
    }));
    const others = this.#domains.flatMap(({ wire, hops }) => [wire, hops]);
    this.#parts = [this.#inside, this.#outside, this.#hops, ...others];
    this.#waiter = createWaiter(this.#parts);
    this.#core = new GatewayCore({
      config: options.cluster,
      limits: options.limits,
      policies: options.policies,
      incarnation: options.incarnation,
      random: secureRandom(),
      nowMs,
      emit: (side, memory, length) => this.#loop.send(side, memory, 0, length, this.#clock()),
    });
    const wires = { inside: this.#inside, outside: this.#outside, domains: this.#domains };
    this.#loop = new PacketLoop(this.#core, wires, this.#hops);
    this.#post({ kind: 'started', wakeFd: this.#waiter.wakeFd });
  }

  run(): void {
    for (let frames = 0; !this.#finished; ) {
      if (frames === 0) this.#waiter.wait(this.#patienceMs());
      const nowMs = this.#clock();
      this.#readMessages(nowMs);
      frames = this.#loop.step(nowMs);
      if (nowMs >= this.#tickAtMs) {
        this.#tickAtMs = nowMs + TICK_MS;
        this.#core.tick(nowMs);
        const flows = this.#core.takeHighWater();
        if (flows > 0) this.#post({ kind: 'highWater', flows });
        this.#tellOutage();
        this.#tellGoesBy();
      }
      const calls = this.#core.takeCalls(nowMs);
      if (calls.length > 0) this.#post({ kind: 'calls', calls });
      const messages = this.#core.takePeerMessages();
      if (messages.length > 0) this.#post({ kind: 'peerMessages', messages });
      // What was held and left with a reply waits in the send queues.
      this.#loop.flush();
      if (this.#finishing && this.#core.settled) this.#finish();
    }
  }

  #patienceMs(): number {
    const { questions } = this.#core.gauges;
    return questions > 0 ? TICK_MS : IDLE_MS;
  }

  #readMessages(nowMs: number): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      const message = received.message as ToThread;
      if (message.kind === 'reply') this.#core.reply(message.reply, nowMs);
      else if (message.kind === 'gateways') this.#core.setGateways(message.count);
      else if (message.kind === 'peerMessage') {
        this.#core.peerMessage(message.from, message.message, nowMs);
      } else if (message.kind === 'goBy') {
        this.#core.goBy(message.to, nowMs);
        this.#changing = true;
      } else if (message.kind === 'peers') this.#core.setPeers(message.names, nowMs);
      else if (message.kind === 'inspect') this.#inspect(nowMs);
      else if (!this.#finishing) {
        this.#finishing = true;
        this.#core.finish(nowMs);
      }
    }
  }

  #tellOutage(): void {
    const state = this.#core.outage;
    if (state === this.#outage) return;
    this.#outage = state;
    this.#post({ kind: 'outage', state });
  }

  #tellGoesBy(): void {
    if (!this.#changing || !this.#core.isReplanned) return;
    this.#changing = false;
    this.#post({ kind: 'goesBy' });
  }

  #finish(): void {
    this.#finished = true;
    this.#waiter.close();
    for (const part of this.#parts) part.close();
    this.#post({ kind: 'finished' });
    this.#port.close();
  }

  #inspect(nowMs: number): void {
    const { malformed, ...core } = this.#core.counters;
    const names = Object.entries(Malformed).filter(([, code]) => code !== Malformed.None);
    const snapshot: Snapshot = {
      core,
      malformed: Object.fromEntries(names.map(([name, code]) => [name, malformed[code]!])),
      gauges: this.#core.gauges,
      loop: { ...this.#loop.counters },
      inside: summed([this.#inside, ...this.#domains.map(({ wire }) => wire)]),
      outside: { ...this.#outside.counters },
      nextHops: { ...this.#hops.counters },
      routesReady: [this.#hops, ...this.#domains.map(({ hops }) => hops)].every((hops) =>
        hops.resolveGateways(nowMs),
      ),
    };
    this.#post({ kind: 'snapshot', snapshot });
  }

  #post(message: FromThread): void {
    this.#port.postMessage(message);
  }
}

/** What all inside wires counted together. */
function summed(wires: readonly Wire[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { counters } of wires) {
    for (const [name, count] of Object.entries(counters)) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}

if (parentPort !== null) new PacketThread(parentPort, workerData as ThreadOptions).run();
