/**
 * What the configuration says about translation: whom the NAT serves, what has rules of its own,
 * and which outside addresses and ports are left for the rest. Read whenever the configuration
 * changes, and the same at every gateway.
 *
 * While two configurations are gone by, what holds comes first and what is next is added to it: so
 * at the instant at which the next one holds, no live gateway is without its rules. New bindings
 * take addresses of what holds, since some gateways may know nothing else, and no port that either
 * has given away.
 */
import { type IpAddress, type RuleConfig, staticRules } from '@flowstore/flow';
import {
  isLaterFragment,
  type Packet,
  Pools,
  type PortRange,
  PrefixSet,
  ReservedBlocks,
  StaticRules,
} from '@flowstore/nat';
import { Side } from './frame.ts';

/** The rules of what holds, and of what is next, if anything is. */
export interface RuleConfigs {
  readonly holds: RuleConfig;
  readonly next: RuleConfig | null;
}

/** Where a flow stands: addresses as numbers; for one without a remote endpoint that is 0. */
export interface FlowPlace {
  readonly domain: number;
  readonly protocol: number;
  readonly insideAddress: number;
  readonly insidePort: number;
  readonly outsideAddress: number;
  readonly outsidePort: number;
  readonly remoteAddress: number;
}

/** What becomes of a packet by rule. */
export const Treatment = {
  /** No rule is about it: it needs a flow. */
  None: 0,
  /** Its inside endpoint is an outside one, by a port forward or one-to-one. */
  Translate: 1,
  /** It passes as it is. */
  Pass: 2,
} as const;
export type Treatment = (typeof Treatment)[keyof typeof Treatment];

export class TranslationRules {
  #books: readonly RuleBook[];
  /** Of the last `treatmentOf` that said Translate: what the inside or outside endpoint becomes. */
  address = 0;
  port = 0;
  /** All of the address is meant, not some of its ports. */
  isWholeAddress = false;
  /** Of the last packet from outside that a rule is about. */
  domain = 0;

  constructor(configs: RuleConfigs) {
    this.#books = [];
    this.change(configs);
  }

  change({ holds, next }: RuleConfigs): void {
    this.#books = next === null ? [new RuleBook(holds)] : [new RuleBook(holds), new RuleBook(next)];
  }

  /** Whether the NAT is for this inside address. */
  serves(domain: number, address: number): boolean {
    for (let i = 0; i < this.#books.length; i++) {
      if (this.#books[i]!.serves(domain, address)) return true;
    }
    return false;
  }

  /** Whether bindings may have this outside address. */
  isPooled(address: number): boolean {
    for (let i = 0; i < this.#books.length; i++) {
      if (this.#books[i]!.pools.contains(address)) return true;
    }
    return false;
  }

  /** Whether fragments to this address may be of inside hosts. */
  hasPorts(address: number): boolean {
    for (let i = 0; i < this.#books.length; i++) {
      if (this.#books[i]!.statics.hasForwards(address)) return true;
    }
    return false;
  }

  /** Whether a packet from inside is for an inside host, by an outside endpoint. */
  turnsBack(packet: Packet): boolean {
    const { protocol, destination, destinationPort } = packet;
    if (this.isPooled(destination)) return true;
    if (isLaterFragment(packet) && this.hasPorts(destination)) return true;
    for (let i = 0; i < this.#books.length; i++) {
      const { statics } = this.#books[i]!;
      if (!statics.isEmpty && statics.matchOutside(protocol, destination, destinationPort)) {
        return true;
      }
    }
    return false;
  }

  /** What a rule says of the packet; the ports of one that has none are 0. Allocates nothing. */
  treatmentOf(side: Side, packet: Packet): Treatment {
    for (let i = 0; i < this.#books.length; i++) {
      const book = this.#books[i]!;
      if (!book.hasRules) continue;
      const treatment =
        side === Side.Inside ? this.#outbound(book, packet) : this.#inbound(book, packet);
      if (treatment !== Treatment.None) return treatment;
    }
    return Treatment.None;
  }

  /** Whether what is gone by has a place for the flow: its inside endpoint is served, has no rule
   * of its own, and its outside address is one that its pool gives out. */
  allows(flow: FlowPlace): boolean {
    for (let i = 0; i < this.#books.length; i++) if (this.#books[i]!.allows(flow)) return true;
    return false;
  }

  /** The outside address of this inside address's new bindings. */
  addressFor(domain: number, inside: IpAddress): IpAddress {
    return this.#books[0]!.pools.addressFor(domain, inside);
  }

  isReserved(range: PortRange, block: number): boolean {
    return this.#books.some(({ reserved }) => reserved.has(range, block));
  }

  /** The blocks of the range that no binding may have a port of. */
  reservedBlocks(range: PortRange): number[] {
    return [...new Set(this.#books.flatMap(({ reserved }) => reserved.of(range)))];
  }

  #outbound(book: RuleBook, packet: Packet): Treatment {
    const { domain, protocol, source, sourcePort, destination } = packet;
    if (!book.serves(domain, source)) return Treatment.None;
    if (book.passes(domain, destination)) return Treatment.Pass;
    const { statics } = book;
    if (!statics.matchInside(domain, protocol, source, sourcePort)) return Treatment.None;
    this.#take(statics);
    return Treatment.Translate;
  }

  #inbound(book: RuleBook, packet: Packet): Treatment {
    const { protocol, source, destination, destinationPort } = packet;
    const { statics } = book;
    if (statics.matchOutside(protocol, destination, destinationPort)) {
      this.#take(statics);
      this.domain = statics.domain;
      return Treatment.Translate;
    }
    const domain = book.domainThatPasses(source, destination);
    if (domain < 0) return Treatment.None;
    this.domain = domain;
    return Treatment.Pass;
  }

  #take({ address, port, isWholeAddress }: StaticRules): void {
    this.address = address;
    this.port = port;
    this.isWholeAddress = isWholeAddress;
  }
}

/** The rules of one configuration. */
class RuleBook {
  readonly statics: StaticRules;
  readonly pools: Pools;
  readonly reserved: ReservedBlocks;
  /** Whether any packet at all is for a rule. */
  readonly hasRules: boolean;
  readonly #inside: DomainPrefixes;
  readonly #passed: DomainPrefixes;

  constructor(config: RuleConfig) {
    const { insidePrefixes, domains, noNat } = config;
    this.statics = new StaticRules(staticRules(config));
    this.pools = new Pools(config);
    this.reserved = new ReservedBlocks(config.portForwards);
    this.hasRules = !this.statics.isEmpty || noNat.length > 0;
    const inside = [{ domain: 0, insidePrefixes }, ...domains].flatMap(
      ({ domain, insidePrefixes: texts }) => texts.map((prefix) => ({ domain, prefix })),
    );
    this.#inside = new DomainPrefixes(inside);
    this.#passed = new DomainPrefixes(
      noNat.map(({ domain, destination }) => ({ domain, prefix: destination })),
    );
  }

  serves(domain: number, address: number): boolean {
    return this.#inside.has(domain, address);
  }

  passes(domain: number, remote: number): boolean {
    return this.#passed.has(domain, remote);
  }

  allows(flow: FlowPlace): boolean {
    const { domain, protocol, insideAddress, outsideAddress, remoteAddress } = flow;
    if (!this.serves(domain, insideAddress)) return false;
    if (!this.pools.poolFor(domain, insideAddress).contains(outsideAddress)) return false;
    if (!this.hasRules) return true;
    if (remoteAddress !== 0 && this.passes(domain, remoteAddress)) return false;
    const { statics } = this;
    if (statics.matchInside(domain, protocol, insideAddress, flow.insidePort)) return false;
    return !statics.matchOutside(protocol, outsideAddress, flow.outsidePort);
  }

  /** To which domain a packet passes that came from outside, -1 for none. */
  domainThatPasses(remote: number, inside: number): number {
    const domain = this.#passed.domainOf(remote);
    return domain >= 0 && this.serves(domain, inside) ? domain : -1;
  }
}

/** Prefixes by domain. */
class DomainPrefixes {
  readonly #domains: Uint32Array;
  readonly #sets: readonly PrefixSet[];

  constructor(items: readonly { readonly domain: number; readonly prefix: string }[]) {
    const domains = [...new Set(items.map(({ domain }) => domain))];
    this.#domains = Uint32Array.from(domains);
    this.#sets = domains.map(
      (own) =>
        new PrefixSet(items.filter(({ domain }) => domain === own).map(({ prefix }) => prefix)),
    );
  }

  has(domain: number, address: number): boolean {
    for (let i = 0; i < this.#domains.length; i++) {
      if (this.#domains[i] === domain) return this.#sets[i]!.has(address);
    }
    return false;
  }

  /** The domain that has the address, -1 for none. */
  domainOf(address: number): number {
    for (let i = 0; i < this.#sets.length; i++) {
      if (this.#sets[i]!.has(address)) return this.#domains[i]!;
    }
    return -1;
  }
}
