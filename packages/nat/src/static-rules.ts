/**
 * Port forwards and one-to-one addresses, for the packet path: which run of endpoints an endpoint
 * is in, and which endpoint it stands for. Made once from the configuration, the same at every
 * gateway, so it needs no record and outlives anything. Allocates nothing per packet.
 *
 * Runs are sorted by realm (domain and protocol, like a row's key), then by socket number:
 *
 * ```
 *   realm   domain << 8 | protocol         0xFFFFFF06        0xFFFFFF06        0xFFFFFF11
 *   first   address * 65536 + port         203.0.113.5:80    203.0.113.5:8080  203.0.113.5:53
 *   last                                   203.0.113.5:80    203.0.113.5:8089  203.0.113.5:53
 *   to      what the first stands for      198.18.1.10:80    198.18.1.10:90    198.18.1.10:53
 * ```
 *
 * A packet is looked for under its own protocol, then under any. Forwards and one-to-one rules
 * never share an endpoint, so at most one is found.
 */
import { ANY_PROTOCOL, OUTSIDE_DOMAIN, PORTS, type StaticRule } from '@flowstore/flow';

export class StaticRules {
  readonly #outbound: RunTable;
  readonly #inbound: RunTable;
  /** Of the match found last: what the endpoint becomes, and for inbound ones in which domain. */
  address = 0;
  port = 0;
  domain = 0;
  /** And that all of its address is meant. */
  isWholeAddress = false;
  /** The outside addresses that have port forwards. */
  readonly #forwarding: ReadonlySet<number>;

  constructor(rules: readonly StaticRule[]) {
    const forwards = rules.filter(({ protocol }) => protocol !== ANY_PROTOCOL);
    this.#forwarding = new Set(forwards.map(({ outside }) => Math.floor(outside / PORTS)));
    this.#outbound = new RunTable(
      rules.map(({ domain, protocol, inside, outside, count }) => ({
        realm: realmOf(domain, protocol),
        first: inside,
        to: outside,
        count,
        domain: OUTSIDE_DOMAIN,
      })),
    );
    this.#inbound = new RunTable(
      rules.map(({ domain, protocol, inside, outside, count }) => ({
        realm: realmOf(OUTSIDE_DOMAIN, protocol),
        first: outside,
        to: inside,
        count,
        domain,
      })),
    );
  }

  get isEmpty(): boolean {
    return this.#outbound.size === 0;
  }

  hasForwards(outside: number): boolean {
    return this.#forwarding.has(outside);
  }

  /** Whether a rule gives the inside endpoint an outside one: then that is in address and port. */
  matchInside(domain: number, protocol: number, address: number, port: number): boolean {
    return this.#match(this.#outbound, domain, protocol, address * PORTS + port);
  }

  /** Whether a rule gives the outside endpoint to an inside one: then that is in address, port
   * and domain. */
  matchOutside(protocol: number, address: number, port: number): boolean {
    return this.#match(this.#inbound, OUTSIDE_DOMAIN, protocol, address * PORTS + port);
  }

  #match(table: RunTable, domain: number, protocol: number, socket: number): boolean {
    let run = table.find(realmOf(domain, protocol), socket);
    this.isWholeAddress = run < 0;
    if (run < 0) run = table.find(realmOf(domain, ANY_PROTOCOL), socket);
    if (run < 0) return false;
    const to = table.translate(run, socket);
    this.address = Math.floor(to / PORTS);
    this.port = to % PORTS;
    this.domain = table.domain(run);
    return true;
  }
}

function realmOf(domain: number, protocol: number): number {
  return ((domain << 8) | protocol) >>> 0;
}

interface Run {
  readonly realm: number;
  readonly first: number;
  readonly to: number;
  readonly count: number;
  readonly domain: number;
}

/** Disjoint runs in order, found by bisection. */
class RunTable {
  readonly #realms: Uint32Array;
  readonly #firsts: Float64Array;
  readonly #lasts: Float64Array;
  readonly #tos: Float64Array;
  readonly #domains: Uint32Array;

  constructor(runs: readonly Run[]) {
    const sorted = [...runs].sort((a, b) => a.realm - b.realm || a.first - b.first);
    this.#realms = Uint32Array.from(sorted, ({ realm }) => realm);
    this.#firsts = Float64Array.from(sorted, ({ first }) => first);
    this.#lasts = Float64Array.from(sorted, ({ first, count }) => first + count - 1);
    this.#tos = Float64Array.from(sorted, ({ to }) => to);
    this.#domains = Uint32Array.from(sorted, ({ domain }) => domain);
  }

  get size(): number {
    return this.#realms.length;
  }

  domain(run: number): number {
    return this.#domains[run]!;
  }

  translate(run: number, socket: number): number {
    return this.#tos[run]! + (socket - this.#firsts[run]!);
  }

  /** The run that has the socket number, -1 for none. */
  find(realm: number, socket: number): number {
    // The last run that begins at or before it.
    let low = 0;
    for (let high = this.#realms.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const own = this.#realms[middle]!;
      if (own < realm || (own === realm && this.#firsts[middle]! <= socket)) low = middle + 1;
      else high = middle;
    }
    const run = low - 1;
    if (run < 0 || this.#realms[run] !== realm || socket > this.#lasts[run]!) return -1;
    return run;
  }
}
