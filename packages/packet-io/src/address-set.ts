/**
 * A set of IPv4 addresses to ask per packet: open addressing in an Int32Array at a load of at most
 * a quarter, because a Set of numbers beyond 2^31 boxes them.
 */
export class AddressSet {
  private readonly slots: Int32Array;
  private readonly mask: number;

  /** 0.0.0.0 is nobody's address and marks empty slots: it is ignored. */
  constructor(addresses: Iterable<number>) {
    const list = [...new Set(addresses)].map((address) => address | 0);
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(4 * list.length + 4)));
    this.mask = this.slots.length - 1;
    for (const address of list) if (address !== 0) this.slots[this.slotOf(address)] = address;
  }

  has(address: number): boolean {
    const key = address | 0;
    return key !== 0 && this.slots[this.slotOf(key)] === key;
  }

  private slotOf(key: number): number {
    let at = Math.imul(key ^ (key >>> 15), 0x9e3779b1) >>> 7;
    for (;;) {
      at &= this.mask;
      const there = this.slots[at];
      if (there === key || there === 0) return at;
      at++;
    }
  }
}
