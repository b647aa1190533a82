import type { RouteHop, RouteMessage } from './netlink/route.ts';

/**
 * Longest prefix match over the main table: one map per prefix length in use, asked from the
 * longest on. Built whole from a dump and never changed.
 */
export class RouteTable {
  private readonly prefixBits: number[] = [];
  private readonly byPrefix: Map<number, RouteMessage[]>[] = [];

  constructor(routes: readonly RouteMessage[]) {
    const maps = new Map<number, Map<number, RouteMessage[]>>();
    for (const route of routes) {
      const map = maps.get(route.prefixBits) ?? new Map<number, RouteMessage[]>();
      maps.set(route.prefixBits, map);
      const same = map.get(route.destination | 0) ?? [];
      map.set(route.destination | 0, same);
      same.push(route);
    }
    for (const bits of [...maps.keys()].sort((a, b) => b - a)) {
      const map = maps.get(bits)!;
      // Stable: among equal metrics the kernel takes the first it lists.
      for (const same of map.values()) same.sort((a, b) => a.metric - b.metric);
      this.prefixBits.push(bits);
      this.byPrefix.push(map);
    }
  }

  /**
   * The next hop for a destination, or undefined. Like the kernel it skips hops that `usable`
   * refuses, then routes without usable hop, then goes on to shorter prefixes; a route that is not
   * unicast (unreachable, blackhole, ..) ends the search. Of several hops a hash of the destination
   * picks one by weight: a flow keeps its way, whichever packet of it asks.
   */
  lookup(destination: number, usable: (hop: RouteHop) => boolean): RouteHop | undefined {
    for (let k = 0; k < this.prefixBits.length; k++) {
      const routes = this.byPrefix[k].get(destination & maskOf(this.prefixBits[k]));
      if (routes === undefined) continue;
      for (const route of routes) {
        if (!route.unicast) return undefined;
        const hop = pickHop(route.hops.filter(usable), destination);
        if (hop !== undefined) return hop;
      }
    }
    return undefined;
  }
}

/** Shifting by 32 is shifting by 0 in JS: a mask of no bits is a case of its own. */
function maskOf(prefixBits: number): number {
  return prefixBits === 0 ? 0 : -1 << (32 - prefixBits);
}

function pickHop(hops: readonly RouteHop[], destination: number): RouteHop | undefined {
  if (hops.length <= 1) return hops[0];
  const total = hops.reduce((sum, hop) => sum + hop.weight, 0);
  let hash = Math.imul(destination ^ (destination >>> 16), 0x9e3779b1);
  hash = (hash ^ (hash >>> 15)) >>> 0;
  let rest = hash % total;
  for (const hop of hops) {
    if (rest < hop.weight) return hop;
    rest -= hop.weight;
  }
  return undefined;
}
