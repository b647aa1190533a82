export { type AfPacketOptions, openAfPacket } from './af-packet-wire.ts';
export { type BootClock, bootClock } from './clock.ts';
export { PACKET_IO_ERRORS, PacketIoError, type PacketIoErrorCode } from './error.ts';
export {
  createFrameMemory,
  ETHERNET_BYTES,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MIN,
  type FrameMemory,
  IP_OFFSET,
  VNET_BYTES,
  VNET_NEEDS_CSUM,
} from './frame.ts';
export { createKernelNextHops } from './kernel-next-hops.ts';
export { createMemoryLink, type MemoryLinkOptions } from './memory-wire.ts';
export { nativeSupported } from './native.ts';
export { type NextHops, type NextHopsCounters, NO_ROUTE, UNRESOLVED } from './next-hops.ts';
export { type StaticInterface, type StaticRoute, staticNextHops } from './static-next-hops.ts';
export { createWaiter, createWaker, type Waiter, type WaitSource, type Waker } from './waiter.ts';
export type { Wire, WireCounters } from './wire.ts';
