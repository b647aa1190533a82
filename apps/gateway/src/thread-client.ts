/**
 * The packet thread as the main thread sees it: carries its store calls to the store and the
 * answers back, asks it for a snapshot, tells it to finish.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { FlowStore } from '@flowstore/flow-store';
import {
  type Envelope,
  type GoingBy,
  type OutageState,
  type PeerMessage,
  performCall,
  type StoreCall,
  type StoreReply,
} from '@flowstore/gateway-core';
import { createWaker, type Waker } from '@flowstore/packet-io';
import { InOrder } from './in-order.ts';
import type { FromThread, Snapshot, ThreadOptions, ToThread } from './thread-messages.ts';

const SNAPSHOT_TIMEOUT_MS = 2_000;
/** Two semi-spaces of 8 MB, and as much for what is large. V8 would let them grow to 64 MB each:
 * what is young here is dead at the next collection, however soon that is. */
const YOUNG_GENERATION_MB = 24;

export interface ThreadEvents {
  /** A store call was answered; the thread gets the reply once this resolves. */
  onStoreReply(call: StoreCall, reply: StoreReply): Promise<void>;
  /** A store call got no answer. */
  onStoreError(error: unknown): void;
  /** The table holds more flows than its high-water mark. */
  onHighWater(flows: number): void;
  /** Something to say to another gateway. */
  onPeerMessage(envelope: Envelope): void;
  onOutage(state: OutageState): void;
  /** The thread ended without having been told to. */
  onDeath(error: Error): void;
}

export class ThreadClient {
  readonly #worker: Worker;
  readonly #waker: Waker;
  readonly #store: FlowStore;
  readonly #events: ThreadEvents;
  readonly #replies = new InOrder();
  #snapshots: ((snapshot: Snapshot) => void)[] = [];
  #goesBy: (() => void)[] = [];
  #finished: (() => void) | undefined;

  /** Resolves when the wires are open; rejects with what kept them from it. */
  static async start(
    options: ThreadOptions,
    store: FlowStore,
    events: ThreadEvents,
  ): Promise<ThreadClient> {
    const worker = new Worker(new URL('./packet-thread.ts', import.meta.url), {
      workerData: options,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    const [started] = (await once(worker, 'message')) as [FromThread];
    if (started.kind !== 'started') throw new Error(`the packet thread began with ${started.kind}`);
    return new ThreadClient(worker, createWaker(started.wakeFd), store, events);
  }

  private constructor(worker: Worker, waker: Waker, store: FlowStore, events: ThreadEvents) {
    this.#worker = worker;
    this.#waker = waker;
    this.#store = store;
    this.#events = events;
    worker.on('message', (message: FromThread) => this.#onMessage(message));
    worker.on('error', (error) => events.onDeath(error));
    worker.on('exit', (code) => {
      if (this.#finished === undefined) {
        events.onDeath(new Error(`the packet thread exited with code ${code}`));
      }
    });
  }

  /** What the thread counts right now. Rejects where it does not answer: it is stuck. */
  snapshot(): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the packet thread is silent for ${SNAPSHOT_TIMEOUT_MS} ms`)),
        SNAPSHOT_TIMEOUT_MS,
      );
      this.#snapshots.push((snapshot) => {
        clearTimeout(timer);
        resolve(snapshot);
      });
      this.#post({ kind: 'inspect' });
    });
  }

  /** Resolves once all flows are reported by it, or by what the thread was told since. */
  goBy(to: GoingBy): Promise<void> {
    return new Promise((resolve) => {
      this.#goesBy.push(resolve);
      this.#post({ kind: 'goBy', to });
    });
  }

  setGateways(count: number): void {
    this.#post({ kind: 'gateways', count });
  }

  /** Who the other members are, or null where they can't be asked. */
  setPeers(names: readonly string[] | null): void {
    this.#post({ kind: 'peers', names });
  }

  peerMessage(from: string, message: PeerMessage): void {
    this.#post({ kind: 'peerMessage', from, message });
  }

  /** Touches reported, leases given back, wires closed; or `timeoutMs` over. */
  async finish(timeoutMs: number): Promise<boolean> {
    const finished = new Promise<boolean>((resolve) => {
      this.#finished = () => resolve(true);
      setTimeout(() => resolve(false), timeoutMs).unref();
    });
    this.#post({ kind: 'finish' });
    const inTime = await finished;
    await this.#worker.terminate();
    return inTime;
  }

  #onMessage(message: FromThread): void {
    switch (message.kind) {
      case 'calls':
        for (const call of message.calls) void this.#perform(call);
        return;
      case 'snapshot': {
        const waiting = this.#snapshots;
        this.#snapshots = [];
        for (const resolve of waiting) resolve(message.snapshot);
        return;
      }
      case 'highWater':
        this.#events.onHighWater(message.flows);
        return;
      case 'peerMessages':
        for (const envelope of message.messages) this.#events.onPeerMessage(envelope);
        return;
      case 'outage':
        this.#events.onOutage(message.state);
        return;
      case 'goesBy':
        for (const resolve of this.#goesBy.splice(0)) resolve();
        return;
      case 'finished':
        this.#finished?.();
    }
  }

  async #perform(call: StoreCall): Promise<void> {
    const reply = await performCall(this.#store, call, this.#events.onStoreError);
    this.#replies.add(this.#events.onStoreReply(call, reply), () => {
      this.#post({ kind: 'reply', reply });
    });
  }

  #post(message: ToThread): void {
    this.#worker.postMessage(message);
    this.#waker.wake();
  }
}
