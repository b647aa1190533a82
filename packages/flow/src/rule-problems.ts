/**
 * What can't be said of one rule alone: which rules contradict each other, the pools or the inside
 * networks. Each text is known to be well formed.
 */
import { type AddressRange, parseAddressRange, rangeSize, rangesOverlap } from './address-range.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { ANY_PROTOCOL, formatSockets, PORTS, parseOneToOne, parsePortForward } from './rules.ts';

export const POOL_ADDRESSES_MAX = 65_536;

/** A place in the configuration, and what is allowed there. */
export type RuleProblem = readonly [path: readonly PropertyKey[], allowed: string];

export type RuleConfig = Pick<
  ClusterConfig,
  'pool' | 'insidePrefixes' | 'portForwards' | 'oneToOne' | 'noNat' | 'pools' | 'domains'
>;

interface Place extends AddressRange {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** A rule's run of socket numbers on one side. */
interface Run {
  readonly path: readonly PropertyKey[];
  readonly domain: number;
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
}

export function ruleProblems(config: RuleConfig): RuleProblem[] {
  const outside = runs(config, 'outside');
  return [
    ...domainProblems(config),
    ...poolProblems(config, outside),
    ...outsideProblems(config, outside),
    ...insideProblems(config, runs(config, 'inside')),
    ...noNatProblems(config, outside),
  ];
}

function domainProblems({ domains, portForwards, oneToOne, noNat, pools }: RuleConfig) {
  const problems: RuleProblem[] = [];
  const known = new Set([0]);
  for (const [i, { domain }] of domains.entries()) {
    if (known.has(domain)) problems.push([['domains', i, 'domain'], 'each domain once, and not 0']);
    known.add(domain);
  }
  const lists = { portForwards, oneToOne, noNat, pools };
  for (const [name, rules] of Object.entries(lists)) {
    for (const [i, { domain }] of rules.entries()) {
      if (known.has(domain)) continue;
      const allowed = `a domain of the list "domains", or 0 (found: ${[...known].join(', ')})`;
      problems.push([[name, i, 'domain'], allowed]);
    }
  }
  return problems;
}

function poolProblems(config: RuleConfig, outside: readonly Run[]): RuleProblem[] {
  const problems: RuleProblem[] = [];
  const places = poolPlaces(config);
  const addresses = places.reduce((sum, place) => sum + rangeSize(place), 0);
  if (addresses > POOL_ADDRESSES_MAX) {
    problems.push([['pool'], `up to ${POOL_ADDRESSES_MAX} addresses in all, not ${addresses}`]);
  }
  const networks = insideNetworks(config);
  for (const [i, place] of places.entries()) {
    const twin = places.slice(0, i).find((other) => rangesOverlap(place, other));
    if (twin !== undefined) {
      const allowed = `prefixes that share no address (this one and ${twin.text} do)`;
      problems.push([place.path, allowed]);
    }
    // RFC 4787 REQ-7: outside and inside must differ, or hairpinning and routing are ambiguous.
    const inner = networks.find((network) => rangesOverlap(place, network));
    if (inner !== undefined) {
      problems.push([place.path, `prefixes outside of insidePrefixes (${inner.text} overlaps)`]);
    }
  }
  for (const path of [['pool'], ...config.pools.map((_, i) => ['pools', i, 'addresses'])]) {
    const own = places.filter((place) => path.every((key, i) => place.path[i] === key));
    const left = own.reduce((sum, place) => sum + rangeSize(place) - taken(place, outside), 0);
    if (own.length > 0 && left <= 0)
      problems.push([path, 'an address or more that no oneToOne rule takes']);
  }
  return [...problems, ...ambiguousPools(config)];
}

/** How many addresses of the range are one-to-one. */
function taken(place: AddressRange, outside: readonly Run[]): number {
  let addresses = 0;
  for (const { protocol, first, last } of outside) {
    if (protocol !== ANY_PROTOCOL) continue;
    const from = Math.max(place.first, Math.floor(first / PORTS));
    const to = Math.min(place.last, Math.floor(last / PORTS));
    addresses += Math.max(0, to - from + 1);
  }
  return addresses;
}

function ambiguousPools({ pools }: RuleConfig): RuleProblem[] {
  const problems: RuleProblem[] = [];
  const seen = new Set<string>();
  for (const [i, { domain, insidePrefixes }] of pools.entries()) {
    const prefixes = insidePrefixes.length === 0 ? ['all of it'] : insidePrefixes;
    for (const prefix of prefixes) {
      const key = `${domain} ${prefix}`;
      if (seen.has(key)) {
        const allowed = `one pool per domain and inside prefix (${prefix} has another one)`;
        problems.push([['pools', i, 'insidePrefixes'], allowed]);
      }
      seen.add(key);
    }
  }
  return problems;
}

function outsideProblems(config: RuleConfig, outside: readonly Run[]): RuleProblem[] {
  const networks = insideNetworks(config);
  const problems: RuleProblem[] = [];
  for (const run of outside) {
    const inner = networks.find((network) => rangesOverlap(addressesOf(run), network));
    if (inner === undefined) continue;
    problems.push([run.path, `an address outside of insidePrefixes (${inner.text} has it)`]);
  }
  return [...problems, ...overlaps(outside, 'outside')];
}

function insideProblems(config: RuleConfig, inside: readonly Run[]): RuleProblem[] {
  const problems: RuleProblem[] = [];
  for (const run of inside) {
    const networks = insideNetworks(config).filter(({ domain }) => domain === run.domain);
    const { first, last } = addressesOf(run);
    if (networks.some((network) => network.first <= first && last <= network.last)) continue;
    const served = networks.map(({ text }) => text).join(', ');
    problems.push([run.path, `addresses that domain ${run.domain} serves (${served})`]);
  }
  const domains = new Set(inside.map(({ domain }) => domain));
  const each = [...domains].map((own) => inside.filter(({ domain }) => domain === own));
  return [...problems, ...each.flatMap((runs) => overlaps(runs, 'inside'))];
}

function noNatProblems(config: RuleConfig, outside: readonly Run[]): RuleProblem[] {
  const problems: RuleProblem[] = [];
  const pools = poolPlaces(config);
  const seen: (AddressRange & { readonly domain: number; readonly text: string })[] = [];
  for (const [i, { destination: text, domain }] of config.noNat.entries()) {
    const path = ['noNat', i, 'destination'];
    const range = parseAddressRange(text);
    const pool = pools.find((place) => rangesOverlap(range, place));
    if (pool !== undefined) problems.push([path, `a prefix beside the pools (${pool.text})`]);
    const run = outside.find((rule) => rangesOverlap(range, addressesOf(rule)));
    if (run !== undefined) {
      problems.push([path, `a prefix beside the rules' outside addresses (${textOf(run)})`]);
    }
    // What comes from there has to say to which domain it goes.
    const other = seen.find((one) => one.domain !== domain && rangesOverlap(one, range));
    if (other !== undefined) {
      problems.push([path, `a prefix for one domain (${other.text} is domain ${other.domain}'s)`]);
    }
    seen.push({ ...range, domain, text });
  }
  return problems;
}

/** Runs that share a socket number, each told once, at the later place. */
function overlaps(all: readonly Run[], side: 'outside' | 'inside'): RuleProblem[] {
  const problems = new Map<string, RuleProblem>();
  const protocols = new Set(all.map(({ protocol }) => protocol));
  for (const own of protocols.size === 0 ? [] : [...protocols, ANY_PROTOCOL]) {
    const runs = all.filter(({ protocol }) => protocol === own || protocol === ANY_PROTOCOL);
    runs.sort((a, b) => a.first - b.first);
    let widest: Run | undefined;
    for (const run of runs) {
      if (widest !== undefined && run.first <= widest.last) {
        const allowed = `what no other rule has ${side} (${nameOf(widest)} has ${textOf(widest)})`;
        problems.set(run.path.join(), [run.path, allowed]);
      }
      if (widest === undefined || run.last > widest.last) widest = run;
    }
  }
  return [...problems.values()];
}

function runs({ portForwards, oneToOne }: RuleConfig, side: 'outside' | 'inside'): Run[] {
  const forwards = portForwards.map((rule, i) => ['portForwards', i, parsePortForward(rule)]);
  const addresses = oneToOne.map((rule, i) => ['oneToOne', i, parseOneToOne(rule)]);
  return ([...forwards, ...addresses] as [string, number, ReturnType<typeof parseOneToOne>][]).map(
    ([name, i, rule]) => ({
      path: [name, i, side],
      domain: rule.domain,
      protocol: rule.protocol,
      first: rule[side],
      last: rule[side] + rule.count - 1,
    }),
  );
}

function addressesOf({ first, last }: Run): AddressRange {
  return { first: Math.floor(first / PORTS), last: Math.floor(last / PORTS) };
}

function textOf({ first, last }: Run): string {
  return formatSockets(first, last - first + 1);
}

function nameOf({ path }: Run): string {
  return `${String(path[0])}[${String(path[1])}]`;
}

function poolPlaces({ pool, pools }: RuleConfig): Place[] {
  const place = (text: string, path: PropertyKey[]) => ({ ...parseAddressRange(text), path, text });
  return [
    ...pool.map((text, i) => place(text, ['pool', i])),
    ...pools.flatMap(({ addresses }, i) =>
      addresses.map((text, k) => place(text, ['pools', i, 'addresses', k])),
    ),
  ];
}

function insideNetworks({ insidePrefixes, domains }: RuleConfig) {
  return [{ domain: 0, insidePrefixes }, ...domains].flatMap(({ domain, insidePrefixes: texts }) =>
    texts.map((text) => ({ ...parseAddressRange(text), domain, text })),
  );
}
