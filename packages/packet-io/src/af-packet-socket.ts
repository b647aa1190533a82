import { PacketIoError } from './error.ts';
import {
  allocateNative,
  must,
  native,
  scratchMemory,
  setIntOption,
  setSocketBuffers,
} from './native.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const ETH_P_ALL = 3;
const ETH_P_IP = 0x0800;

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;

const SOCKADDR_LL_BYTES = 20;
/** IFNAMSIZ - 1. */
const INTERFACE_NAME_BYTES_MAX = 15;

/**
 * Which frames reach the wire, as a classic BPF program that the kernel runs (and compiles): IPv4,
 * addressed to this interface's own MAC. So frames that a switch flooded here, or that are for
 * another router of the segment, are not translated by two gateways; and ARP wakes nobody.
 * VLAN-tagged frames are refused: the kernel hands them over with the tag cut out, and they would
 * pass for untagged ones. Each row is (code, jump if true, jump if false, operand).
 */
const BPF_LOAD_U16 = 0x28;
const BPF_LOAD_U8 = 0x30;
const BPF_JUMP_IF_EQUAL = 0x15;
const BPF_RETURN = 0x06;
const META_PACKET_TYPE = 0xfffff000 + 4;
const META_VLAN_TAG_PRESENT = 0xfffff000 + 48;
const PACKET_HOST = 0;
const FILTER: readonly (readonly [number, number, number, number])[] = [
  [BPF_LOAD_U8, 0, 0, META_PACKET_TYPE],
  [BPF_JUMP_IF_EQUAL, 0, 5, PACKET_HOST],
  [BPF_LOAD_U8, 0, 0, META_VLAN_TAG_PRESENT],
  [BPF_JUMP_IF_EQUAL, 0, 3, 0],
  [BPF_LOAD_U16, 0, 0, 12],
  [BPF_JUMP_IF_EQUAL, 0, 1, ETH_P_IP],
  [BPF_RETURN, 0, 0, 0xffffffff],
  [BPF_RETURN, 0, 0, 0],
];

export interface PacketSocketOptions {
  readonly interfaceName: string;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
}

/** Opens a raw socket on one interface, with virtio-net headers both ways; returns its fd. */
export function openPacketSocket(options: PacketSocketOptions): number {
  const calls = native();
  const interfaceIndex = findInterface(options.interfaceName);
  // Protocol 0 receives nothing: everything is set up before the first frame arrives at bind.
  const fd = must(calls.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), 'socket(AF_PACKET)');
  try {
    const set = (option: number, what: string) =>
      must(setIntOption(fd, SOL_PACKET, option, 1) ? 0 : -1, what);
    set(PACKET_VNET_HDR, 'setsockopt(PACKET_VNET_HDR)');
    set(PACKET_IGNORE_OUTGOING, 'setsockopt(PACKET_IGNORE_OUTGOING)');
    setSocketBuffers(fd, options.receiveBufferBytes, options.sendBufferBytes);
    attachFilter(fd);
    bindToInterface(fd, interfaceIndex, options.interfaceName);
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

function findInterface(name: string): number {
  const valid = name.length > 0 && Buffer.byteLength(name) <= INTERFACE_NAME_BYTES_MAX;
  const index = valid && !name.includes('\0') ? native().if_nametoindex(name) : 0;
  if (index === 0) throw new PacketIoError('PACKET_IO_NO_INTERFACE', JSON.stringify(name));
  return index;
}

function attachFilter(fd: number): void {
  const { view, address } = scratchMemory();
  // struct sock_fprog: u16 rows, u64 address of the rows at +8; the rows follow it here.
  const rows = 16;
  view.setBigUint64(0, BigInt(FILTER.length), true);
  view.setBigUint64(8, BigInt(address + rows), true);
  FILTER.forEach(([code, jumpTrue, jumpFalse, operand], k) => {
    view.setUint16(rows + k * 8, code, true);
    view.setUint8(rows + k * 8 + 2, jumpTrue);
    view.setUint8(rows + k * 8 + 3, jumpFalse);
    view.setUint32(rows + k * 8 + 4, operand, true);
  });
  const result = native().setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, address, 16);
  must(result, 'setsockopt(SO_ATTACH_FILTER)');
}

function bindToInterface(fd: number, interfaceIndex: number, name: string): void {
  const { bytes, view, address } = scratchMemory();
  bytes.fill(0, 0, SOCKADDR_LL_BYTES);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ALL, false);
  view.setInt32(4, interfaceIndex, true);
  must(native().bind(fd, address, SOCKADDR_LL_BYTES), `bind(${name})`);
}

/** Reads how many frames the kernel dropped since the last time it was asked. */
export class DropReader {
  private readonly memory = allocateNative(16);

  read(fd: number): number {
    const { view, address } = this.memory;
    // struct tpacket_stats: u32 frames, u32 drops; then the length argument at +8.
    view.setUint32(8, 8, true);
    const result = native().getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, address, address + 8);
    return result === 0 ? view.getUint32(4, true) : 0;
  }
}
