/**
 * Stands outside and watches to whom each outside endpoint belongs: within the quarantine after
 * one inside endpoint was last heard from it, it must be nobody else's (I1).
 */
export interface Conflict {
  readonly protocol: string;
  readonly outside: string;
  readonly inside: string;
  readonly former: string;
  readonly agoMs: number;
}

interface Owner {
  readonly inside: string;
  readonly heardMs: number;
}

export class Witness {
  readonly #quarantineMs: number;
  readonly #endpointsMax: number;
  /** The one heard from for longest ago first. */
  readonly #owners = new Map<string, Owner>();

  constructor(quarantineMs: number, endpointsMax = 500_000) {
    this.#quarantineMs = quarantineMs;
    this.#endpointsMax = endpointsMax;
  }

  hear(protocol: string, outside: string, inside: string, nowMs: number): Conflict | null {
    const key = `${protocol} ${outside}`;
    const owner = this.#owners.get(key);
    this.#owners.delete(key);
    this.#owners.set(key, { inside, heardMs: nowMs });
    if (this.#owners.size > this.#endpointsMax) {
      for (const oldest of this.#owners.keys()) {
        this.#owners.delete(oldest);
        break;
      }
    }
    if (owner === undefined || owner.inside === inside) return null;
    const agoMs = nowMs - owner.heardMs;
    if (agoMs >= this.#quarantineMs) return null;
    return { protocol, outside, inside, former: owner.inside, agoMs };
  }
}
