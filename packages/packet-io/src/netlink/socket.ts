import { allocateNative, ERRNO, must, native, scratchMemory, setSocketBuffers } from '../native.ts';
import { type NetlinkMessage, readMessages } from './message.ts';
import { REQUEST_BYTES_MAX } from './request.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const NETLINK_ROUTE = 0;
const SOCKADDR_NL_BYTES = 12;
const RTMGRP_LINK = 0x1;
const RTMGRP_NEIGH = 0x4;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV4_ROUTE = 0x40;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;

/** News waiting to be read; beyond it the kernel says ENOBUFS and everything is read anew. */
const RECEIVE_BUFFER_BYTES = 4 << 20;
const SEND_BUFFER_BYTES = 256 << 10;
/** The kernel fills at most 32 KiB at a time. */
const DATAGRAM_BYTES_MAX = 64 << 10;

/** `lost`: some messages did not reach us (the buffer was full, or they made no sense). */
export type ReceiveOutcome = 'messages' | 'empty' | 'lost';

/** A socket to the kernel's routing tables, subscribed to what changes in them. */
export class NetlinkSocket {
  fd: number;
  private readonly calls = native();
  private readonly datagram = allocateNative(DATAGRAM_BYTES_MAX);
  private readonly request = allocateNative(REQUEST_BYTES_MAX);
  /** struct sockaddr_nl of the sender, then at +16 its length. */
  private readonly sender = allocateNative(24);
  private readonly pollIn = allocateNative(8);

  constructor() {
    const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
    this.fd = must(this.calls.socket(AF_NETLINK, type, NETLINK_ROUTE), 'socket(AF_NETLINK)');
    setSocketBuffers(this.fd, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES);
    const { bytes, view, address } = scratchMemory();
    const groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE;
    bytes.fill(0, 0, SOCKADDR_NL_BYTES);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, groups, true);
    const bound = this.calls.bind(this.fd, address, SOCKADDR_NL_BYTES);
    if (bound < 0) this.calls.close(this.fd);
    must(bound, 'bind(AF_NETLINK)');
    this.pollIn.view.setInt32(0, this.fd, true);
    this.pollIn.view.setInt16(4, POLLIN, true);
  }

  /** Sends what `write` puts into the view (it returns the bytes). False: the kernel refused. */
  send(write: (view: DataView) => number): boolean {
    const bytesCount = write(this.request.view);
    const sent = this.calls.send(this.fd, this.request.address, bytesCount, MSG_DONTWAIT);
    return sent === bytesCount;
  }

  /** Reads one datagram, if there is one. */
  receive(visit: (message: NetlinkMessage) => void): ReceiveOutcome {
    this.sender.view.setUint32(16, SOCKADDR_NL_BYTES, true);
    const length = this.calls.recvfrom(
      this.fd,
      this.datagram.address,
      DATAGRAM_BYTES_MAX,
      MSG_DONTWAIT | MSG_TRUNC,
      this.sender.address,
      this.sender.address + 16,
    );
    if (length < 0) {
      // Nothing there, or closed: "empty". ENOBUFS is how the kernel says that it dropped news.
      return this.calls.errno() === ERRNO.ENOBUFS ? 'lost' : 'empty';
    }
    // Port 0 is the kernel; what other processes send us is none of our business.
    if (this.sender.view.getUint32(4, true) !== 0) return 'messages';
    if (length > DATAGRAM_BYTES_MAX) return 'lost';
    return readMessages(this.datagram.view, length, visit) ? 'messages' : 'lost';
  }

  /** Blocks until there is something to read or time is up. Only for the start. */
  wait(timeoutMs: number): void {
    this.calls.poll(this.pollIn.address, 1, timeoutMs);
  }

  close(): void {
    if (this.fd < 0) return;
    this.calls.close(this.fd);
    this.fd = -1;
  }
}
