/**
 * The session log (RFC 6888 REQ-12 to REQ-14): which inside endpoint had which outside endpoint,
 * and when; never with whom it spoke.
 *
 * ```
 *   store --- answer ---> session log --- answer ---> packet thread --> first packet leaves
 *                          | lines
 *                          +--> stream in the store (waited for), file (not waited for)
 * ```
 *
 * It reads what the store answers before the packet thread does. So no gateway carries a binding
 * before it said so itself: whoever opened it (`opened`), and whoever took it over from another
 * (`found`), since that one may have died before its line was written. Ends come by the feed, by
 * whichever gateway carried the binding, whoever ended it: a gateway, a sweep, an operator.
 */
import { type Endpoint, formatAddress, protocolName, type SocketAddress } from '@flowstore/flow';
import type { FeedEvent, OpenRequest, StoredEntry } from '@flowstore/flow-store';
import type { Operations, StoreCall, StoreReply } from '@flowstore/gateway-core';

/** One line. Addresses with ports as people write them. */
export interface SessionRecord {
  /** ISO 8601, by this gateway's clock. */
  readonly at: string;
  readonly event: 'begin' | 'end';
  /** Of a beginning. */
  readonly how?: 'opened' | 'found';
  readonly protocol: string;
  readonly domain: number;
  readonly inside: string;
  readonly outside: string;
  /** Tells one binding of an outside endpoint from the next. */
  readonly generation: number;
  readonly gateway: string;
}

export interface SessionLine {
  readonly inside: Endpoint;
  readonly line: string;
}

export interface SessionLogOptions {
  readonly gateway: string;
  /** ms since 1970. */
  readonly wallMs: () => number;
  /** Bindings whose end is waited for; beyond that the oldest ends untold. */
  readonly sessionsMax: number;
  /** Resolves once the lines are kept; rejects where they are not. */
  readonly keep: (lines: readonly SessionLine[]) => Promise<unknown>;
  /** Takes lines without waiting; false where it has no room for them. */
  readonly write: (text: string) => boolean;
}

interface Session {
  readonly inside: Endpoint;
  readonly generation: number;
}

export const SESSIONS_MAX = 1_000_000;

export class SessionLog {
  readonly counters = { begun: 0, ended: 0, notKept: 0, notWritten: 0, forgotten: 0 };
  readonly #options: SessionLogOptions;
  /** By protocol and outside endpoint. */
  readonly #sessions = new Map<string, Session>();

  constructor(options: SessionLogOptions) {
    this.#options = options;
  }

  /** Writes what the reply tells; resolves when the packet thread may have it. */
  async observe(call: StoreCall, { results }: StoreReply): Promise<void> {
    if (results === null) return;
    const lines: SessionLine[] = [];
    for (const [i, result] of results.entries()) {
      if (result === null) continue;
      if (call.operation === 'feed') this.#onFeed(result as Operations['feed']['result'], lines);
      else if ('entry' in result) {
        const request = call.requests[i]!;
        const opening = call.operation === 'open' ? (request as OpenRequest) : null;
        this.#begin(result.entry, opening, lines);
      }
    }
    if (lines.length === 0) return;
    const text = lines.map(({ line }) => `${line}\n`).join('');
    if (!this.#options.write(text)) this.counters.notWritten += lines.length;
    await this.#options.keep(lines).catch(() => {
      this.counters.notKept += lines.length;
    });
  }

  #onFeed(result: Operations['feed']['result'], lines: SessionLine[]): void {
    if (result.kind !== 'events') return;
    for (const event of result.events) {
      if (event.kind === 'void' && event.remote === null) this.#onVoid(event, lines);
    }
  }

  /** Nobody has the outside endpoint by a binding of a lower generation any more. */
  #onVoid({ protocol, outside, below }: FeedEvent & { kind: 'void' }, lines: SessionLine[]): void {
    const key = keyOf(protocol, outside);
    const session = this.#sessions.get(key);
    if (session === undefined || session.generation >= below) return;
    this.#sessions.delete(key);
    this.#end(session, outside, lines);
  }

  #begin(entry: StoredEntry, opening: OpenRequest | null, lines: SessionLine[]): void {
    const { inside, outside, binding } = entry;
    const { generation, nonce } = binding.identity;
    const key = keyOf(inside.protocol, outside);
    const former = this.#sessions.get(key);
    if (former?.generation === generation) return;
    if (former !== undefined) this.#end(former, outside, lines);
    this.#sessions.delete(key);
    this.#sessions.set(key, { inside, generation });
    this.#forgetBeyondMax();
    const isOurs = opening?.nonce === nonce;
    const ageMs = isOurs ? (opening?.seen.ageMs ?? 0) : 0;
    this.counters.begun++;
    const what = { event: 'begin', how: isOurs ? 'opened' : 'found' } as const;
    lines.push(this.#line(what, inside, outside, generation, ageMs));
  }

  #end({ inside, generation }: Session, outside: SocketAddress, lines: SessionLine[]): void {
    this.counters.ended++;
    lines.push(this.#line({ event: 'end' }, inside, outside, generation, 0));
  }

  #forgetBeyondMax(): void {
    if (this.#sessions.size <= this.#options.sessionsMax) return;
    const [oldest] = this.#sessions.keys();
    this.#sessions.delete(oldest!);
    this.counters.forgotten++;
  }

  #line(
    what: Pick<SessionRecord, 'event' | 'how'>,
    inside: Endpoint,
    outside: SocketAddress,
    generation: number,
    ageMs: number,
  ): SessionLine {
    const { gateway, wallMs } = this.#options;
    const record: SessionRecord = {
      at: new Date(wallMs() - ageMs).toISOString(),
      ...what,
      protocol: protocolName(inside.protocol),
      domain: inside.domain,
      inside: textOf(inside),
      outside: textOf(outside),
      generation,
      gateway,
    };
    return { inside, line: JSON.stringify(record) };
  }
}

function keyOf(protocol: number, { address, port }: SocketAddress): string {
  return `${protocol}/${address.join('.')}:${port}`;
}

function textOf({ address, port }: SocketAddress): string {
  const text = formatAddress(address);
  return address.length === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}
