/**
 * The gateway's own ICMP errors: a sender is told why its packet does not go on. Never more than
 * `ownErrorsPerSMax`, and none where the policy says so (RFC 5508 REQ-9).
 *
 * | reason              | ICMP | by                              |
 * | ------------------- | ---- | ------------------------------- |
 * | hops exceeded       | 11/0 | RFC 1812 section 5.3.1          |
 * | too big             | 3/4  | RFC 4787 REQ-13, RFC 1191       |
 * | nobody waits for it | 3/3  | RFC 5382 REQ-4                  |
 * | no port is left     | 3/1  | RFC 6888 REQ-11                 |
 * | a limit was reached | 3/13 | RFC 5508 REQ-8                  |
 */
import {
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  mayBeToldOf,
  ownErrorBytes,
  writeOwnError,
} from '@flowstore/nat';
import type { GatewayCounters } from './counters.ts';
import { domainOf, type FrameMemory, IP_OFFSET, newFrame, Side } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { Policies } from './policies.ts';

/** What the gateway has on a side. */
export interface OwnLink {
  /** Of the gateway itself; 0 where it has none, and says nothing then. */
  readonly address: number;
  /** Bytes of IP packet; 0 where it is not known. */
  readonly mtuBytes: number;
}

export const Reason = {
  HopsExceeded: { type: ICMP_TIME_EXCEEDED, code: 0 },
  TooBig: { type: ICMP_UNREACHABLE, code: 4 },
  NoPort: { type: ICMP_UNREACHABLE, code: 1 },
  NobodyThere: { type: ICMP_UNREACHABLE, code: 3 },
  Limit: { type: ICMP_UNREACHABLE, code: 13 },
} as const;
export type Reason = (typeof Reason)[keyof typeof Reason];

export interface NoticesOptions {
  readonly limits: GatewayLimits;
  readonly policies: Policies;
  readonly counters: GatewayCounters;
  readonly emit: (side: Side, memory: FrameMemory, length: number) => void;
}

const UNKNOWN_LINK: OwnLink = { address: 0, mtuBytes: Infinity };
const TOTAL_LENGTH = IP_OFFSET + 2;

export class Notices {
  readonly #options: NoticesOptions;
  /** By domain, and the outside's. */
  readonly #inside = new Map<number, OwnLink>();
  #outside: OwnLink = UNKNOWN_LINK;
  /** How many may still be sent in the second that began then. */
  #left = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  /** @param domain of an inside link */
  setLink(side: Side, given: OwnLink, domain = 0): void {
    const link = { ...given, mtuBytes: given.mtuBytes === 0 ? Infinity : given.mtuBytes };
    if (side === Side.Inside) this.#inside.set(domain, link);
    else this.#outside = link;
  }

  /** The largest packet that may leave on the side; Infinity where it is not known. */
  mtuBytes(side: Side, domain: number): number {
    return this.#linkOf(side, domain).mtuBytes;
  }

  #linkOf(side: Side, domain: number): OwnLink {
    return side === Side.Outside ? this.#outside : (this.#inside.get(domain) ?? UNKNOWN_LINK);
  }

  /**
   * Tells whoever sent the packet, which came on `side` and is as it came. Its header was read and
   * found right.
   */
  tell(
    side: Side,
    memory: FrameMemory,
    offset: number,
    { type, code }: Reason,
    word: number,
    nowMs: number,
  ): void {
    const { policies, counters, emit } = this.#options;
    const { view } = memory;
    const domain = domainOf(side, memory);
    const source = this.#linkOf(side, domain).address;
    if (policies.ownErrors === 'suppress' || source === 0) return;
    const totalLength = view.getUint16(offset + TOTAL_LENGTH);
    if (!mayBeToldOf(view, offset + IP_OFFSET, totalLength)) return;
    if (!this.#mayTell(nowMs)) {
      counters.ownErrorsWithheld++;
      return;
    }
    const frame = newFrame(IP_OFFSET + ownErrorBytes(totalLength), domain);
    writeOwnError(view, offset + IP_OFFSET, { source, type, code, word }, frame.view, IP_OFFSET);
    counters.ownErrorsSent++;
    emit(side, frame, frame.bytes.length);
  }

  #mayTell(nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= 1_000) {
      this.#sinceMs = nowMs;
      this.#left = this.#options.limits.ownErrorsPerSMax;
    }
    return this.#left-- > 0;
  }
}
