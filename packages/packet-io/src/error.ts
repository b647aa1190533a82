/**
 * Every way in which this package refuses to start. At run time nothing throws: what goes wrong
 * with a frame is counted.
 */
export const PACKET_IO_ERRORS = {
  PACKET_IO_UNSUPPORTED: 'real packets need Linux on a little-endian 64-bit processor',
  PACKET_IO_NO_FFI: 'the optional package koffi could not be loaded; run npm ci on this machine',
  PACKET_IO_NOT_PERMITTED: 'root or the capabilities NET_RAW and NET_ADMIN are needed',
  PACKET_IO_NO_INTERFACE: 'there is no such network interface',
  PACKET_IO_SYSTEM: 'a system call failed',
  PACKET_IO_ARGUMENT: 'an argument is out of its range',
} as const;

export type PacketIoErrorCode = keyof typeof PACKET_IO_ERRORS;

export class PacketIoError extends Error {
  override readonly name = 'PacketIoError';
  readonly code: PacketIoErrorCode;
  /** The system's error number; 0 when it was not the system. */
  readonly errno: number;

  constructor(code: PacketIoErrorCode, detail: string, errno = 0, cause?: unknown) {
    super(`${PACKET_IO_ERRORS[code]}: ${detail}`, cause === undefined ? {} : { cause });
    this.code = code;
    this.errno = errno;
  }
}
