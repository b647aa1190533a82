/**
 * A router that spreads flows over the gateways by a hash of the true 5-tuple (ECMP). Modulo the
 * gateways that have a route now: when one goes, most flows move, which is what we want to see.
 */
import type { Header } from '../packet.ts';

export class Router {
  /** Rolled anew when paths change. */
  hashSeed: number;
  readonly #routes = new Set<number>();
  #order: number[] = [];

  constructor(hashSeed: number) {
    this.hashSeed = hashSeed;
  }

  add(gateway: number): void {
    this.#routes.add(gateway);
    this.#order = [...this.#routes].sort((a, b) => a - b);
  }

  remove(gateway: number): void {
    this.#routes.delete(gateway);
    this.#order = [...this.#routes].sort((a, b) => a - b);
  }

  /** The gateway for a packet; undefined where none has a route. */
  choose(header: Header): number | undefined {
    if (this.#order.length === 0) return undefined;
    return this.#order[this.#hash(header) % this.#order.length];
  }

  #hash({ protocol, source, sourcePort, destination, destinationPort }: Header): number {
    let hash = Math.imul(this.hashSeed ^ protocol, 0x9e3779b1);
    hash = stir(hash ^ source);
    hash = stir(hash ^ destination);
    return stir(hash ^ ((sourcePort << 16) | destinationPort)) >>> 0;
  }
}

function stir(value: number): number {
  value = Math.imul(value ^ (value >>> 15), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
