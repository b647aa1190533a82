/** Which gateways a router sends to, from what they answered. */

export type Verdict = 'ready' | 'unready' | 'silent';

/** So many questions in a row may go unanswered: a busy box is no dead one. */
export const SILENCES_MAX = 3;

/**
 * The gateways to send to, sorted. `silences` is kept from call to call: how often each was silent
 * in a row since it was ready; who is not in it was not ready before.
 */
export function nextHops(
  verdicts: readonly (readonly [address: string, verdict: Verdict])[],
  silences: Map<string, number>,
): string[] {
  const known = new Set(verdicts.map(([address]) => address));
  for (const address of silences.keys()) if (!known.has(address)) silences.delete(address);
  for (const [address, verdict] of verdicts) {
    const before = silences.get(address);
    if (verdict === 'ready') silences.set(address, 0);
    else if (verdict === 'unready' || before === undefined) silences.delete(address);
    else if (before + 1 < SILENCES_MAX) silences.set(address, before + 1);
    else silences.delete(address);
  }
  return [...silences.keys()].sort();
}

/** Whether the box itself said that nobody is there, which needs no second question. */
export function isGone(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string } };
  return ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH'].includes(cause?.code ?? '');
}

/** One `ip route replace`: who goes on over the gateways that stay never meets a gap. */
export function routeArguments(prefix: string, hops: readonly string[]): string[] {
  // Not the engine's own default route: what no gateway translates must not leave.
  if (hops.length === 0) return ['route', 'replace', 'blackhole', prefix];
  return ['route', 'replace', prefix, ...hops.flatMap((hop) => ['nexthop', 'via', hop])];
}
