/**
 * The cached flows of each outside endpoint: what an event about the endpoint has to reach. Only
 * where one endpoint has many rows, as for TCP: where the row is the binding its key finds it.
 *
 * Rows leave the table without telling, so handles are checked when they are met, and a few
 * endpoints per tick are looked over; twice as many as come in where there are more than flows.
 */
import type { Handle } from '@flowstore/flow-table';

/** An endpoint's handles are looked over when they have doubled since, above this many. */
const HANDLES_MIN = 8;

interface Endpoint {
  handles: Handle[];
  /** How many were alive when it was last looked over. */
  alive: number;
}

export class OutsideIndex {
  readonly #isStored: (handle: Handle) => boolean;
  readonly #endpoints = new Map<number, Endpoint>();
  #walk: IterableIterator<[number, Endpoint]> | undefined;

  readonly #endpointsMax: number;

  /** With `endpointsMax` flows at most, what is above that is empty lists. */
  constructor(isStored: (handle: Handle) => boolean, endpointsMax: number) {
    this.#endpointsMax = endpointsMax;
    this.#isStored = isStored;
  }

  /** How many outside endpoints have flows, or had them lately. */
  get size(): number {
    return this.#endpoints.size;
  }

  add(address: number, port: number, handle: Handle): void {
    const key = keyOf(address, port);
    const endpoint = this.#endpoints.get(key);
    if (endpoint === undefined) {
      if (this.#endpoints.size >= this.#endpointsMax) this.prune(2);
      this.#endpoints.set(key, { handles: [handle], alive: 1 });
      return;
    }
    endpoint.handles.push(handle);
    const { length } = endpoint.handles;
    if (length >= HANDLES_MIN && length >= 2 * endpoint.alive) this.#lookOver(key, endpoint);
  }

  /** The flows of the endpoint; some may have left the table. */
  of(address: number, port: number): readonly Handle[] {
    return this.#endpoints.get(keyOf(address, port))?.handles ?? [];
  }

  /** Looks over up to `endpointsMax` endpoints, going round. */
  prune(endpointsMax: number): void {
    for (let i = 0; i < endpointsMax && this.#endpoints.size > 0; i++) {
      this.#walk ??= this.#endpoints.entries();
      const next = this.#walk.next();
      if (next.done) {
        this.#walk = undefined;
        return;
      }
      this.#lookOver(...next.value);
    }
  }

  #lookOver(key: number, endpoint: Endpoint): void {
    endpoint.handles = endpoint.handles.filter(this.#isStored);
    endpoint.alive = endpoint.handles.length;
    if (endpoint.alive === 0) this.#endpoints.delete(key);
  }
}

function keyOf(address: number, port: number): number {
  return address * 0x1_0000 + port;
}
