import { VNET_BYTES } from './frame.ts';
import type { Mac } from './netlink/attributes.ts';
import { neighbourKey } from './netlink/mirror.ts';
import type { RouteHop } from './netlink/route.ts';

/** Destinations remembered; a power of two. One that collides replaces the older. */
export const CACHE_MAX = 16_384;
/** Next hops known at a time; when a further one is needed, all are forgotten. */
export const HOPS_MAX = 4096;

const EMPTY = 0;
const NOWHERE = -1;

export const HOP_UNRESOLVED = 0;
export const HOP_STALE = 1;
export const HOP_FRESH = 2;

const ETHERTYPE_IPV4 = 0x0800;

/**
 * From destination to the Ethernet header that leads there, in typed arrays:
 *
 * ```
 *   destination --hash--> keys[i], slots[i] --slot--> the next hop (interface, address)
 *                                                     state, asked last, 12 bytes of MACs
 * ```
 *
 * Many destinations share one next hop: a neighbour that changes touches one slot, not the cache.
 */
export class HopCache {
  private readonly keys = new Int32Array(CACHE_MAX);
  /** EMPTY, NOWHERE, or a hop's number + 1. */
  private readonly slots = new Int16Array(CACHE_MAX);
  private readonly macWords = new Uint32Array(3 * HOPS_MAX);
  readonly interfaceIndexes = new Int32Array(HOPS_MAX);
  readonly addresses = new Uint32Array(HOPS_MAX);
  readonly states = new Uint8Array(HOPS_MAX);
  readonly askedMs = new Float64Array(HOPS_MAX);
  private readonly hopByKey = new Map<number, number>();
  private hopCount = 0;
  flushes = 0;

  /** The hop for a destination, -1 when it leads nowhere, undefined when not remembered. */
  find(destination: number): number | undefined {
    const at = slotFor(destination);
    const slot = this.slots[at];
    if (slot === EMPTY || this.keys[at] !== (destination | 0)) return undefined;
    return slot === NOWHERE ? -1 : slot - 1;
  }

  /** Remembers the answer for a destination; `hop` -1 means nowhere. */
  remember(destination: number, hop: number): void {
    const at = slotFor(destination);
    this.keys[at] = destination | 0;
    this.slots[at] = hop < 0 ? NOWHERE : hop + 1;
  }

  /** The number of a next hop, made when it is new: then it is unresolved and was never asked. */
  hopFor(route: RouteHop, destination: number, source: Mac): { hop: number; isNew: boolean } {
    const address = route.gateway === 0 ? destination >>> 0 : route.gateway;
    const key = neighbourKey(route.index, address);
    const known = this.hopByKey.get(key);
    if (known !== undefined) return { hop: known, isNew: false };
    if (this.hopCount === HOPS_MAX) this.clear();
    const hop = this.hopCount++;
    this.hopByKey.set(key, hop);
    this.interfaceIndexes[hop] = route.index;
    this.addresses[hop] = address;
    this.states[hop] = HOP_UNRESOLVED;
    this.askedMs[hop] = Number.NEGATIVE_INFINITY;
    this.macWords[hop * 3 + 1] = source.high >>> 16;
    this.macWords[hop * 3 + 2] = ((source.high & 0xffff) << 16) | source.low;
    return { hop, isNew: true };
  }

  /** Sets what is known of a hop; nothing happens when nobody asked for that hop. */
  setNeighbour(key: number, state: number, mac: Mac | undefined): void {
    const hop = this.hopByKey.get(key);
    if (hop === undefined) return;
    this.states[hop] = mac === undefined ? HOP_UNRESOLVED : state;
    if (mac === undefined) return;
    this.macWords[hop * 3] = mac.high;
    this.macWords[hop * 3 + 1] = ((this.macWords[hop * 3 + 1] & 0xffff) | (mac.low << 16)) >>> 0;
  }

  writeHeader(view: DataView, offset: number, hop: number): void {
    const at = offset + VNET_BYTES;
    view.setUint32(at, this.macWords[hop * 3]);
    view.setUint32(at + 4, this.macWords[hop * 3 + 1]);
    view.setUint32(at + 8, this.macWords[hop * 3 + 2]);
    view.setUint16(at + 12, ETHERTYPE_IPV4);
  }

  clear(): void {
    this.slots.fill(EMPTY);
    this.hopByKey.clear();
    this.hopCount = 0;
    this.flushes++;
  }
}

function slotFor(destination: number): number {
  return Math.imul(destination ^ (destination >>> 16), 0x9e3779b1) >>> 18;
}

if (CACHE_MAX !== 1 << (32 - 18) || HOPS_MAX >= 1 << 15) throw new Error('CACHE_MAX, HOPS_MAX');
