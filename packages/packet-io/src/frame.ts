/**
 * A frame in memory, as every package of flowstore sees it:
 *
 * ```
 *  offset (4-aligned)
 *  |  +0            +10                       +24
 *  v  |             |                         |
 *     | virtio-net  | Ethernet                | IP packet
 *     | header (10) | dst 6, src 6, type 2    | (4-aligned, because 10 + 14 = 24)
 *     |<------------------------ length ----------------------------->|
 * ```
 *
 * The virtio-net header carries what the network card would have done (checksum, segmentation):
 * with it the kernel hands over TCP segments of up to 64 KiB whole and takes them back whole.
 */

export const VNET_BYTES = 10;
export const ETHERNET_BYTES = 14;
export const IP_OFFSET = VNET_BYTES + ETHERNET_BYTES;

/** In the first byte of the virtio-net header: the transport checksum is only half done. */
export const VNET_NEEDS_CSUM = 1;

/** The largest frame there can be: an IPv4 packet counts its own length in 16 bits. */
export const FRAME_BYTES_MAX = IP_OFFSET + 0xffff;

/** The smallest frame that a wire accepts: headers, and nothing behind them. */
export const FRAME_BYTES_MIN = IP_OFFSET;

/** Memory that frames live in. */
export interface FrameMemory {
  readonly bytes: Uint8Array;
  /** Over the same memory as `bytes`: one offset means the same place in both. */
  readonly view: DataView;
  /** Where byte 0 is for the kernel, for sending without a copy; 0 for plain JS memory. */
  readonly address: number;
}

/** Plain JS memory: sent by copying it. */
export function createFrameMemory(bytesCount: number): FrameMemory {
  const buffer = new ArrayBuffer(bytesCount);
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer), address: 0 };
}

if (IP_OFFSET % 4 !== 0) throw new Error('the IP header of a frame must be 4-aligned');
