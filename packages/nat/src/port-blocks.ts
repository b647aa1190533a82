/**
 * The outside ports that this gateway may hand out: blocks leased from the store, kept by (shard,
 * protocol, outside address).
 *
 * A block is 16 ports in one mask of free bits. A port leaves the mask when it is proposed for a
 * new binding and comes back only by `giveBack` (the proposal was not used) or by a renewal, whose
 * answer says what the store knows to be free: rows and quarantine are the store's to judge, this
 * is a cache of its verdict. A port that is wrongly thought free costs one more proposal; but who
 * means to use it without asking the store has to be sure.
 */
import {
  BLOCK_PORTS,
  blockOfPort,
  firstPortOfBlock,
  type IpAddress,
  ipv4ToNumber,
} from '@flowstore/flow';

export interface PortRange {
  readonly shard: number;
  readonly protocol: number;
  readonly address: IpAddress;
}

export interface HeldBlock extends PortRange {
  readonly block: number;
  /** Bit i: port i of the block may be proposed. */
  free: number;
  /** Proposed and not yet answered. */
  proposed: number;
  /** Of these a proposal got no answer: it may still be on its way to the store. */
  doubtful: number;
  /** Not to be used from then on unless renewed. */
  expiresMs: number;
  /** When a port of it was last proposed. */
  usedMs: number;
}

/** What became of a proposal. */
export type Settlement = 'used' | 'unused' | 'unanswered';

const ALL_FREE = (1 << BLOCK_PORTS) - 1;

/** Which ports of a block may be taken: one parity's, or all. A block begins at an even port. */
export const Parity = { Even: 0x5555, Odd: 0xaaaa, Any: ALL_FREE } as const;
export type Parity = (typeof Parity)[keyof typeof Parity];

export function parityOf(port: number): Parity {
  return port % 2 === 0 ? Parity.Even : Parity.Odd;
}

export class PortBlocks {
  readonly #ranges = new Map<string, HeldBlock[]>();
  readonly #random: () => number;
  #size = 0;

  /** @param random uniform 32-bit numbers */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** How many blocks are held. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a granted block; one that is held already is refreshed. What was asked before the last
   * proposal says nothing of what became of that: it makes no port free.
   */
  grant(
    range: PortRange,
    block: number,
    free: number,
    expiresMs: number,
    nowMs: number,
    askedMs = nowMs,
  ): void {
    const held = this.find(range, block);
    if (held !== undefined) {
      held.free = (askedMs > held.usedMs ? free : free & held.free) & ~held.proposed;
      held.expiresMs = expiresMs;
      return;
    }
    const key = keyOf(range);
    const blocks = this.#ranges.get(key) ?? [];
    blocks.push({ ...range, block, free, proposed: 0, doubtful: 0, expiresMs, usedMs: nowMs });
    this.#ranges.set(key, blocks);
    this.#size++;
  }

  /** A free port, chosen at random over all held blocks of the range (RFC 6056); 0: none. */
  take(range: PortRange, nowMs: number, parity: Parity = Parity.Any): number {
    return this.#take(range, (held) => held.free & parity, nowMs);
  }

  /** One that no call on its way to the store can still bind to somebody else. */
  takeSure(range: PortRange, nowMs: number, parity: Parity = Parity.Any): number {
    return this.#take(range, ({ free, doubtful }) => free & ~doubtful & parity, nowMs);
  }

  /** A proposal got no answer, and is gone on with: its call may bind the port all the same. */
  doubt(range: PortRange, port: number): void {
    const held = this.find(range, blockOfPort(port));
    if (held !== undefined) held.doubtful |= 1 << (port - firstPortOfBlock(held.block));
  }

  /** Whether no other call that is still on its way could bind this proposed port. */
  isSure(range: PortRange, port: number): boolean {
    const held = this.find(range, blockOfPort(port));
    return (
      held !== undefined && (held.doubtful & (1 << (port - firstPortOfBlock(held.block)))) === 0
    );
  }

  #take(range: PortRange, maskOf: (held: HeldBlock) => number, nowMs: number): number {
    const usable = this.#usable(range, nowMs).filter((held) => maskOf(held) !== 0);
    if (usable.length === 0) return 0;
    const held = usable[this.#random() % usable.length]!;
    const mask = maskOf(held);
    const bit = nthSetBit(mask, this.#random() % countBits(mask));
    held.free &= ~(1 << bit);
    held.proposed |= 1 << bit;
    held.usedMs = nowMs;
    return firstPortOfBlock(held.block) + bit;
  }

  /** The store answered a proposal, or did not: only an unused port is free again at once. */
  settle(range: PortRange, block: number, port: number, settlement: Settlement): void {
    const held = this.find(range, block);
    if (held === undefined) return;
    const bit = 1 << (port - firstPortOfBlock(block));
    held.proposed &= ~bit;
    if (settlement === 'unused') held.free |= bit;
    if (settlement === 'used') {
      held.doubtful &= ~bit;
      held.free &= ~bit;
    }
    if (settlement === 'unanswered') held.doubtful |= bit;
  }

  /** How many ports of the range can be taken now. */
  available(range: PortRange, nowMs: number, parity: Parity = Parity.Any): number {
    const usable = this.#usable(range, nowMs);
    return usable.reduce((sum, held) => sum + countBits(held.free & parity), 0);
  }

  drop(range: PortRange, block: number): void {
    const key = keyOf(range);
    const blocks = this.#ranges.get(key);
    const index = blocks?.findIndex((held) => held.block === block) ?? -1;
    if (blocks === undefined || index < 0) return;
    blocks.splice(index, 1);
    this.#size--;
    if (blocks.length === 0) this.#ranges.delete(key);
  }

  find(range: PortRange, block: number): HeldBlock | undefined {
    return this.#ranges.get(keyOf(range))?.find((held) => held.block === block);
  }

  *[Symbol.iterator](): Iterator<HeldBlock> {
    for (const blocks of this.#ranges.values()) yield* blocks;
  }

  /** Blocks with every port free and no proposal for `idleMs`: somebody else may want them. */
  idle(idleMs: number, nowMs: number): HeldBlock[] {
    return [...this].filter(
      (held) => held.free === ALL_FREE && held.proposed === 0 && nowMs - held.usedMs >= idleMs,
    );
  }

  #usable(range: PortRange, nowMs: number): HeldBlock[] {
    const blocks = this.#ranges.get(keyOf(range)) ?? [];
    return blocks.filter((held) => held.free !== 0 && nowMs < held.expiresMs);
  }
}

function keyOf({ shard, protocol, address }: PortRange): string {
  return `${shard}/${protocol}/${ipv4ToNumber(address)}`;
}

function countBits(mask: number): number {
  let count = 0;
  for (; mask !== 0; mask &= mask - 1) count++;
  return count;
}

/** The position of the n-th set bit (n from 0); the mask has more than n. */
function nthSetBit(mask: number, n: number): number {
  for (; n > 0; n--) mask &= mask - 1;
  return 31 - Math.clz32(mask & -mask);
}
