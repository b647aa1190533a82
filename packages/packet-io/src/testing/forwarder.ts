/**
 * The smallest user of this package: forwards between two interfaces, rewriting nothing but the
 * Ethernet header. Shows how the parts are meant to be put together: packets in a worker that
 * blocks in the Waiter, control on the main thread.
 *
 *   node forwarder.ts IF IF     stdin: `report` or `stop`; stdout: a line of JSON for each
 */
import { createInterface } from 'node:readline';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  bootClock,
  createKernelNextHops,
  createWaiter,
  createWaker,
  IP_OFFSET,
  type NextHops,
  NO_ROUTE,
  openAfPacket,
  UNRESOLVED,
  type Wire,
} from '../index.ts';

export interface ForwarderReport {
  wires: Record<string, Record<string, number>>;
  nextHops: Record<string, number>;
  noRoute: number;
  unresolved: number;
  largestFrame: number;
  waits: number;
  ms: number;
  userMs: number;
  systemMs: number;
}

const STOP = 0;
const REPORT = 1;
/** Batches of one wire before the other gets its turn. */
const ROUNDS_MAX = 16;

interface WorkerData {
  names: string[];
  requests: Int32Array;
}

function main(): void {
  const requests = new Int32Array(new SharedArrayBuffer(8));
  const data: WorkerData = { names: process.argv.slice(2), requests };
  const worker = new Worker(new URL(import.meta.url), { workerData: data });
  let wake = () => {};
  worker.on('message', (message: { wakeFd?: number }) => {
    if (message.wakeFd !== undefined) wake = createWaker(message.wakeFd).wake;
    process.stdout.write(`${JSON.stringify(message)}\n`);
  });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    Atomics.store(requests, line === 'stop' ? STOP : REPORT, 1);
    wake();
  });
  worker.on('exit', () => lines.close());
}

function forwardUntilStopped({ names, requests }: WorkerData): void {
  const clock = bootClock();
  const hops = createKernelNextHops({ nowMs: clock() });
  const wires = names.map((interfaceName) => openAfPacket({ interfaceName }));
  const waiter = createWaiter([...wires, hops]);
  const forwarder = new Forwarder(wires, hops);
  parentPort!.postMessage({ wakeFd: waiter.wakeFd });
  while (Atomics.load(requests, STOP) === 0) {
    waiter.wait(100);
    forwarder.waits++;
    const nowMs = clock();
    hops.poll(nowMs);
    for (let k = 0; k < ROUNDS_MAX && forwarder.round(nowMs) > 0; k++);
    if (Atomics.exchange(requests, REPORT, 0) === 1)
      parentPort!.postMessage(forwarder.report(clock()));
  }
  parentPort!.postMessage(forwarder.report(clock()));
  waiter.close();
  for (const wire of wires) wire.close();
  hops.close();
}

class Forwarder {
  waits = 0;
  private readonly wires: Wire[];
  private readonly byIndex: (Wire | undefined)[] = [];
  private readonly hops: NextHops;
  private noRoute = 0;
  private unresolved = 0;
  private largestFrame = 0;

  constructor(wires: Wire[], hops: NextHops) {
    this.wires = wires;
    this.hops = hops;
    for (const wire of wires) this.byIndex[hops.interfaceIndex(wire.name)] = wire;
  }

  round(nowMs: number): number {
    let frames = 0;
    for (const wire of this.wires) {
      const count = wire.receive();
      for (let k = 0; k < count; k++) this.forward(wire, wire.offset(k), wire.length(k), nowMs);
      frames += count;
      // Before the next receive() of `wire`: its frames are sent without a copy.
      if (count > 0) for (const out of this.wires) out.flush();
    }
    return frames;
  }

  private forward(wire: Wire, offset: number, length: number, nowMs: number): void {
    const { memory } = wire;
    const destination = memory.view.getUint32(offset + IP_OFFSET + 16);
    if (this.hops.isLocal(destination)) return;
    if (length > this.largestFrame) this.largestFrame = length;
    const index = this.hops.write(memory.view, offset, destination, nowMs);
    if (index === NO_ROUTE) this.noRoute++;
    else if (index === UNRESOLVED) this.unresolved++;
    else this.byIndex[index]?.send(memory, offset, length);
  }

  report(ms: number): ForwarderReport {
    const { user, system } = process.cpuUsage();
    return {
      wires: Object.fromEntries(this.wires.map((wire) => [wire.name, { ...wire.counters }])),
      nextHops: { ...this.hops.counters },
      noRoute: this.noRoute,
      unresolved: this.unresolved,
      largestFrame: this.largestFrame,
      waits: this.waits,
      ms,
      userMs: user / 1000,
      systemMs: system / 1000,
    };
  }
}

if (isMainThread) main();
else forwardUntilStopped(workerData as WorkerData);
