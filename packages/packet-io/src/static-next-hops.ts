import { PacketIoError } from './error.ts';
import { VNET_BYTES } from './frame.ts';
import {
  createNextHopsCounters,
  isNeverForwarded,
  type NextHops,
  type NextHopsCounters,
  NO_ROUTE,
} from './next-hops.ts';

export interface StaticInterface {
  readonly index: number;
  readonly name: string;
  /** As in aa:bb:cc:dd:ee:ff. */
  readonly mac: string;
  readonly mtu: number;
  /** The box's own addresses here, 32-bit numbers in host order. */
  readonly addresses: readonly number[];
}

export interface StaticRoute {
  readonly destination: number;
  readonly prefixBits: number;
  readonly interfaceIndex: number;
  /** Of the next hop; every destination of the route goes there. */
  readonly mac: string;
}

interface Row {
  readonly prefix: number;
  readonly mask: number;
  readonly interfaceIndex: number;
  readonly header: Uint8Array;
}

/** Next hops that never change, for tests and for the demo on memory wires. */
export function staticNextHops(
  interfaces: readonly StaticInterface[],
  routes: readonly StaticRoute[],
): NextHops {
  const rows: Row[] = [...routes]
    .sort((a, b) => b.prefixBits - a.prefixBits)
    .map((route) => {
      const source = interfaces.find((each) => each.index === route.interfaceIndex);
      if (source === undefined) {
        throw new PacketIoError('PACKET_IO_ARGUMENT', `no interface ${route.interfaceIndex}`);
      }
      const mask = route.prefixBits === 0 ? 0 : -1 << (32 - route.prefixBits);
      return {
        prefix: route.destination & mask,
        mask,
        interfaceIndex: route.interfaceIndex,
        header: Uint8Array.from([...parseMac(route.mac), ...parseMac(source.mac), 0x08, 0x00]),
      };
    });
  return new StaticNextHops(interfaces, rows);
}

class StaticNextHops implements NextHops {
  readonly fd = -1;
  private readonly counts = createNextHopsCounters();
  private readonly interfaces: readonly StaticInterface[];
  private readonly rows: readonly Row[];

  constructor(interfaces: readonly StaticInterface[], rows: readonly Row[]) {
    this.interfaces = interfaces;
    this.rows = rows;
  }

  write(view: DataView, offset: number, destination: number): number {
    for (const row of this.rows) {
      if ((destination & row.mask) !== row.prefix) continue;
      for (let k = 0; k < row.header.length; k++) {
        view.setUint8(offset + VNET_BYTES + k, row.header[k]);
      }
      this.counts.hits++;
      return row.interfaceIndex;
    }
    this.counts.noRoute++;
    return NO_ROUTE;
  }

  resolveGateways(): boolean {
    return true;
  }

  isLocal(address: number): boolean {
    if (isNeverForwarded(address)) return true;
    return this.interfaces.some((each) =>
      each.addresses.some((own) => (own | 0) === (address | 0)),
    );
  }

  interfaceIndex(name: string): number {
    return this.interfaces.find((each) => each.name === name)?.index ?? -1;
  }

  addressOf(interfaceIndex: number): number {
    const own = this.interfaces.find((each) => each.index === interfaceIndex)?.addresses[0];
    return (own ?? 0) >>> 0;
  }

  mtu(interfaceIndex: number): number {
    return this.interfaces.find((each) => each.index === interfaceIndex)?.mtu ?? 0;
  }

  poll(): void {}

  get counters(): Readonly<NextHopsCounters> {
    return this.counts;
  }

  close(): void {}
}

function parseMac(text: string): number[] {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new PacketIoError('PACKET_IO_ARGUMENT', `not a MAC address: ${text}`);
  }
  return text.split(':').map((part) => Number.parseInt(part, 16));
}
