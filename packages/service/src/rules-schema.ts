/** The lists of prefixes, addresses and rules of ClusterConfig, as a file may state them. */
import {
  canonicalAddressRange,
  canonicalSocketRange,
  DOMAIN_MAX,
  formatPrefix,
  IPV4_BYTES,
  type OneToOne,
  type PortForward,
  parseOneToOne,
  parsePortForward,
  parsePrefix,
} from '@flowstore/flow';
import { z } from 'zod';

/** Overlap is checked pair by pair, so the lists stay short. */
export const PREFIXES_MAX = 256;
/** Port forwards, and one-to-one rules, each. */
export const RULES_MAX = 4_096;
/** What the packet path looks through one by one. */
export const NO_NAT_MAX = 64;
export const POOLS_MAX = 64;
/** An inside device each. */
export const DOMAINS_MAX = 64;

const PREFIX = 'an IPv4 prefix such as 203.0.113.0/28';
const RANGE = 'an IPv4 prefix such as 203.0.113.0/28, or a range such as 203.0.113.4-203.0.113.9';
const SOCKETS = 'an IPv4 address with ports, such as 203.0.113.5:8080 or 203.0.113.5:8080-8089';

/** Text that is brought into one form, so that equal configurations hash alike. */
function canonicalText(allowed: string, canonical: (text: string) => string) {
  return z
    .string()
    .transform((text, context) => {
      try {
        return canonical(text);
      } catch (error) {
        const why = (error as Error).message;
        context.issues.push({ code: 'custom', input: text, message: `${allowed} (${why})` });
        return z.NEVER;
      }
    })
    .describe(allowed);
}

/** A bare address becomes its own /32. */
function canonicalPrefix(text: string): string {
  const prefix = parsePrefix(text);
  if (prefix.address.length === IPV4_BYTES) return formatPrefix(prefix);
  throw new TypeError('IPv6 is not supported yet');
}

const prefixSchema = canonicalText(PREFIX, canonicalPrefix);
const rangeSchema = canonicalText(RANGE, canonicalAddressRange);
const socketsSchema = canonicalText(SOCKETS, canonicalSocketRange);
const domainSchema = z.int().min(0).max(DOMAIN_MAX).default(0);

const LIST_OF_PREFIXES = `a list of 1 to ${PREFIXES_MAX} prefixes such as 203.0.113.0/28`;
const list = (item: typeof prefixSchema) =>
  z.array(item).min(1).max(PREFIXES_MAX).describe(LIST_OF_PREFIXES);

export const prefixesSchema = list(prefixSchema);
export const addressRangesSchema = list(rangeSchema);

/** What a rule says of both its sides together. */
function matching<Rule>(parse: (rule: Rule) => unknown) {
  return (rule: Rule, context: z.core.$RefinementCtx<Rule>) => {
    try {
      parse(rule);
    } catch (error) {
      context.issues.push({
        code: 'custom',
        input: rule,
        message: `a rule of two equal sides (${(error as Error).message})`,
      });
    }
  };
}

const portForwardSchema = z
  .strictObject({
    protocol: z.enum(['tcp', 'udp']),
    outside: socketsSchema,
    inside: socketsSchema,
    domain: domainSchema,
  })
  .superRefine(matching<PortForward>(parsePortForward));

const oneToOneSchema = z
  .strictObject({ outside: rangeSchema, inside: rangeSchema, domain: domainSchema })
  .superRefine(matching<OneToOne>(parseOneToOne));

const listOf = <Item extends z.ZodType>(item: Item, max: number, what: string) =>
  z.array(item).max(max).describe(`a list of up to ${max} ${what}`).default([]);

const noNatSchema = z.strictObject({ destination: prefixSchema, domain: domainSchema });

const poolSchema = z.strictObject({
  addresses: addressRangesSchema,
  insidePrefixes: z.array(prefixSchema).max(PREFIXES_MAX).default([]),
  domain: domainSchema,
});

const insideDomainSchema = z.strictObject({
  domain: z.int().min(1).max(DOMAIN_MAX),
  insidePrefixes: prefixesSchema,
});

/** The settings of ClusterConfig that are about rules. */
export const ruleShape = {
  portForwards: listOf(
    portForwardSchema,
    RULES_MAX,
    'forwards, {protocol: tcp, outside: 203.0.113.5:8080, inside: 198.18.1.10:80}',
  ),
  oneToOne: listOf(
    oneToOneSchema,
    RULES_MAX,
    'rules, {outside: 203.0.113.64, inside: 198.18.1.10}',
  ),
  noNat: listOf(noNatSchema, NO_NAT_MAX, 'destinations, {destination: 192.0.2.0/24}'),
  pools: listOf(
    poolSchema,
    POOLS_MAX,
    'pools, {addresses: [203.0.113.32/28], insidePrefixes: [198.18.2.0/24]}',
  ),
  domains: listOf(
    insideDomainSchema,
    DOMAINS_MAX,
    'domains, {domain: 7, insidePrefixes: [10.0.0.0/24]}',
  ),
};
