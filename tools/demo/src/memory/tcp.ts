/**
 * A small but real TCP (RFC 9293): handshake, sequence numbers, cumulative acknowledgement,
 * retransmission with backoff, slow start, FIN, RST. What it leaves out: options, urgent data,
 * window management (the receiver consumes at once), keeping what comes out of order (go-back-N).
 *
 * ```
 *                 una                una + sent        una + queue.length
 *                  |<---- in flight ---->|<--- not yet sent --->|
 *   acknowledged   |======================---------------------|FIN
 * ```
 * After a timeout `sent` goes back to 0 and everything from `una` on is sent anew.
 */
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '@flowstore/nat';
import type { Segment } from './packets.ts';

export const SEGMENT_BYTES_MAX = 1_400;
/** No more in flight than what a gateway holds for one key: a burst is not lost while it asks. */
const WINDOW_SEGMENTS_MAX = 16;
const RTO_FIRST_MS = 200;
const RTO_MAX_MS = 1_000;
/** Without any answer for so many timeouts (some 15 s) the connection is given up. */
export const RETRIES_MAX = 16;
/** How long a closed connection still answers what is left of it on the way. */
export const LINGER_MS = 2_000;
const RECEIVE_WINDOW_BYTES = 0xffff;
const NOTHING = new Uint8Array(0);

export type TcpState = 'synSent' | 'synReceived' | 'established' | 'closed';
export type TcpEnd = 'closed' | 'reset' | 'timeout';

export interface TcpEvents {
  onOpen?(): void;
  onData(bytes: Uint8Array): void;
  /** The peer has sent its FIN. */
  onEnd?(): void;
  onClosed?(how: TcpEnd): void;
}

export interface TcpLink {
  nowMs(): number;
  transmit(segment: Segment): void;
}

export class TcpConnection {
  events: TcpEvents = { onData() {} };
  state: TcpState;
  /** How it ended; null while it goes on. */
  end: TcpEnd | null = null;
  retransmissions = 0;
  readonly #link: TcpLink;
  #una: number;
  /** The highest sequence number ever sent, plus one: an ACK beyond it is none of ours. */
  #highest: number;
  #receiveNext = 0;
  #queue: Uint8Array = NOTHING;
  #sent = 0;
  #windowSegments = 2;
  #finQueued = false;
  /** Sent since `sent` last went back. */
  #finSent = false;
  #finAcknowledged = false;
  #finReceived = false;
  #ackDue = false;
  #rtoMs = RTO_FIRST_MS;
  #retries = 0;
  /** Of retransmission, or of the linger once closed; 0: none runs. */
  #timerMs = 0;

  /** With `syn` it answers a connection request, without it makes one. */
  constructor(link: TcpLink, initialSequence: number, syn?: Segment) {
    this.#link = link;
    this.#una = initialSequence >>> 0;
    this.#highest = (this.#una + 1) >>> 0;
    this.state = syn === undefined ? 'synSent' : 'synReceived';
    if (syn !== undefined) this.#receiveNext = (syn.sequence + 1) >>> 0;
    this.#sendSyn();
  }

  get queuedBytes(): number {
    return this.#queue.length;
  }

  send(bytes: Uint8Array): void {
    if (this.end !== null || this.#finQueued) return;
    const joined = new Uint8Array(this.#queue.length + bytes.length);
    joined.set(this.#queue);
    joined.set(bytes, this.#queue.length);
    this.#queue = joined;
    this.#fill();
  }

  /** Sends a FIN after what is queued. */
  close(): void {
    this.#finQueued = true;
    this.#fill();
  }

  /** Gives up at once, and tells the peer. */
  abort(): void {
    if (this.end !== null) return;
    this.#transmit(TCP_RST | TCP_ACK, this.#una + this.#sent, NOTHING);
    this.#finish('reset');
  }

  /** Returns false once nothing is left to do and the connection may be forgotten. */
  tick(nowMs: number): boolean {
    if (this.#timerMs === 0 || nowMs < this.#timerMs) return true;
    if (this.end !== null) return false;
    if (++this.#retries > RETRIES_MAX) {
      this.#finish('timeout');
      return false;
    }
    this.retransmissions++;
    this.#rtoMs = Math.min(2 * this.#rtoMs, RTO_MAX_MS);
    this.#windowSegments = 1;
    this.#sent = 0;
    this.#finSent = false;
    this.#timerMs = 0;
    if (this.state === 'established') this.#fill();
    else this.#sendSyn();
    return true;
  }

  receive(segment: Segment): void {
    if (this.end === 'reset' || this.end === 'timeout') return;
    const { flags } = segment;
    if (flags & TCP_RST) this.#receiveReset(segment);
    else if (this.state === 'synSent') this.#receiveSynAck(segment);
    else if (flags & TCP_SYN) this.#repeat();
    else if (flags & TCP_ACK) this.#receiveSegment(segment);
  }

  /** RFC 9293 section 3.10.7: an RST counts where it fits; others are forged or too late. */
  #receiveReset({ sequence, acknowledgement, flags }: Segment): void {
    const fits =
      this.state === 'synSent'
        ? (flags & TCP_ACK) !== 0 && acknowledgement === this.#highest
        : distance(this.#receiveNext, sequence) >= 0 &&
          distance(this.#receiveNext, sequence) < RECEIVE_WINDOW_BYTES;
    if (fits && this.end === null) this.#finish('reset');
  }

  #receiveSynAck({ sequence, acknowledgement, flags }: Segment): void {
    if (flags !== (TCP_SYN | TCP_ACK) || acknowledgement !== this.#highest) return;
    this.#receiveNext = (sequence + 1) >>> 0;
    this.#ackDue = true;
    this.#establish();
  }

  /** A SYN again: the peer has not heard our answer to the first. */
  #repeat(): void {
    if (this.state === 'synReceived') this.#sendSyn();
    else this.#acknowledge();
  }

  #receiveSegment(segment: Segment): void {
    if (this.state === 'synReceived') {
      if (segment.acknowledgement !== this.#highest) return;
      this.#establish();
    } else if (!this.#receiveAck(segment.acknowledgement)) return;
    this.#receiveData(segment);
    this.#fill();
    if (this.#ackDue) this.#acknowledge();
    const done = this.#finAcknowledged && this.#finReceived;
    if (done && this.end === null) this.#finish('closed');
  }

  #establish(): void {
    this.state = 'established';
    this.#una = this.#highest;
    this.#settleTimer();
    this.events.onOpen?.();
    this.#fill();
    if (this.#ackDue) this.#acknowledge();
  }

  /** False where it acknowledges what was never sent. */
  #receiveAck(acknowledgement: number): boolean {
    if (distance(this.#highest, acknowledgement) > 0) return false;
    const acked = distance(this.#una, acknowledgement);
    if (acked <= 0) return true;
    const data = Math.min(acked, this.#queue.length);
    this.#finAcknowledged ||= this.#finQueued && acked > this.#queue.length;
    this.#queue = this.#queue.subarray(data);
    this.#sent = Math.max(0, this.#sent - data);
    this.#una = acknowledgement;
    this.#windowSegments = Math.min(2 * this.#windowSegments, WINDOW_SEGMENTS_MAX);
    this.#settleTimer();
    return true;
  }

  /** Takes what comes next; all else is only acknowledged, and the peer goes back. */
  #receiveData({ sequence, payload, flags }: Segment): void {
    const isEmpty = payload.length === 0 && (flags & TCP_FIN) === 0;
    if (isEmpty) return;
    this.#ackDue = true;
    const known = -distance(this.#receiveNext, sequence);
    if (known < 0 || this.#finReceived) return;
    if (known < payload.length) {
      this.#receiveNext = (this.#receiveNext + payload.length - known) >>> 0;
      this.events.onData(payload.subarray(known));
    }
    const endsHere = distance(this.#receiveNext, sequence + payload.length) === 0;
    if ((flags & TCP_FIN) === 0 || !endsHere) return;
    this.#finReceived = true;
    this.#receiveNext = (this.#receiveNext + 1) >>> 0;
    this.events.onEnd?.();
  }

  /** Sends what the window allows. */
  #fill(): void {
    if (this.state !== 'established' || this.end !== null) return;
    const windowBytes = this.#windowSegments * SEGMENT_BYTES_MAX;
    while (this.#sent < this.#queue.length && this.#sent < windowBytes) {
      const payload = this.#queue.subarray(this.#sent, this.#sent + SEGMENT_BYTES_MAX);
      this.#transmit(TCP_ACK, this.#una + this.#sent, payload);
      this.#sent += payload.length;
    }
    const finIsNext = this.#finQueued && !this.#finSent && !this.#finAcknowledged;
    if (finIsNext && this.#sent === this.#queue.length) {
      this.#finSent = true;
      this.#transmit(TCP_ACK | TCP_FIN, this.#una + this.#sent, NOTHING);
    }
    if (this.#timerMs === 0 && this.#isWaiting) this.#startTimer();
  }

  #sendSyn(): void {
    const flags = this.state === 'synSent' ? TCP_SYN : TCP_SYN | TCP_ACK;
    this.#transmit(flags, this.#una, NOTHING);
    this.#startTimer();
  }

  #acknowledge(): void {
    const fin = this.#finSent && !this.#finAcknowledged ? 1 : 0;
    this.#transmit(TCP_ACK, this.#una + this.#sent + fin, NOTHING);
  }

  #transmit(flags: number, sequence: number, payload: Uint8Array): void {
    const end = (sequence + payload.length + (flags & TCP_FIN ? 1 : 0)) >>> 0;
    if (this.state === 'established' && distance(this.#highest, end) > 0) this.#highest = end;
    const acknowledgement = flags & TCP_ACK ? this.#receiveNext : 0;
    this.#ackDue = false;
    this.#link.transmit({ sequence: sequence >>> 0, acknowledgement, flags, payload });
  }

  get #isWaiting(): boolean {
    return this.#sent > 0 || (this.#finSent && !this.#finAcknowledged);
  }

  /** Progress was made: patience begins anew. */
  #settleTimer(): void {
    this.#rtoMs = RTO_FIRST_MS;
    this.#retries = 0;
    if (this.#isWaiting) this.#startTimer();
    else this.#timerMs = 0;
  }

  #startTimer(): void {
    this.#timerMs = this.#link.nowMs() + this.#rtoMs;
  }

  #finish(how: TcpEnd): void {
    this.end = how;
    this.state = 'closed';
    this.#queue = NOTHING;
    this.#timerMs = this.#link.nowMs() + (how === 'closed' ? LINGER_MS : 0);
    this.events.onClosed?.(how);
  }
}

/** How far `to` is ahead of `from`, modulo 2^32 (RFC 9293 section 3.4). */
function distance(from: number, to: number): number {
  return (to - from) | 0;
}
