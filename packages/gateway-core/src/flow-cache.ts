/**
 * The local table seen as a cache of the store: which row a packet belongs to, what the store last
 * confirmed of it, what was seen since.
 *
 * A row is as wide as the store's record: for TCP one flow, for ICMP queries the binding (remote
 * 0.0.0.0:0), for UDP as wide as its filtering wants it: under endpoint-independent filtering
 * nothing depends on the peer. `confirmedMs` is when the request left whose answer last confirmed
 * the row; whatever was seen later is not reported yet.
 */
import {
  type ClusterConfig,
  type Endpoint,
  FlowWidths,
  type Identity,
  IN_DATA,
  identityEquals,
  ipv4FromNumber,
  ipv4ToNumber,
  NEVER,
  OUT_DATA,
  OUTSIDE_DOMAIN,
  Phase,
  type SocketAddress,
  shardOfInside,
  TCP,
  tcpPhase,
  UDP,
  Width,
} from '@flowstore/flow';
import type { Sighting, StoredEntry, StoredFlow } from '@flowstore/flow-store';
import {
  type FlowInput,
  type FlowKeys,
  type FlowTable,
  type Handle,
  INBOUND,
  NONE,
  OUTBOUND,
} from '@flowstore/flow-table';
import { inboundFlags, isReset, isSyn, outboundFlags, type Packet } from '@flowstore/nat';
import { Side } from './frame.ts';
import { Freshness } from './freshness.ts';
import { Lifetimes } from './lifetimes.ts';
import { OutsideIndex } from './outside-index.ts';
import { KEY_WORDS, writeKey } from './packet-key.ts';
import { keysOf } from './row-keys.ts';

/** Marks of a row: five bits, and above them the shard's six. */
export const TOUCH_QUEUED = 1;
/** As far as is known here, this gateway's report of the flow is the last that the store merged: it
 * asks the store before it lets the flow go. */
export const REPORTED = 2;
/** Something was seen that no touch has carried to the store yet. */
export const NEWS = 4;

/** Opened while the store could not be asked: it has no generation yet. */
export const PROVISIONAL = 8;

/** The feed's news overtook the answer that the row comes from: it told of it before. */
const OVERTAKEN = 16;

const SHARD_SHIFT = 5;

const OUTSIDE_REALM = (OUTSIDE_DOMAIN << 8) >>> 0;
/** What was seen so shortly after the last report is no news at the end of a flow's life. */
const NEWS_MS = 1_000;
/** Ages travel in whole ms, rounded down. */
const AGE_STEP_MS = 1;

export class FlowCache {
  readonly table: FlowTable;
  readonly freshness: Freshness;
  readonly lifetimes: Lifetimes;
  readonly widths: FlowWidths;
  readonly #outside: OutsideIndex;
  readonly #clockSkewMs: number;
  readonly #config: ClusterConfig;
  readonly #key = new Int32Array(KEY_WORDS);

  /** @param random uniform 32-bit numbers */
  constructor(table: FlowTable, config: ClusterConfig, random: () => number) {
    this.table = table;
    this.freshness = new Freshness(config);
    this.lifetimes = new Lifetimes(table, config, random);
    this.widths = new FlowWidths(config.filtering);
    this.#config = config;
    const isStored = (handle: Handle) => this.storedSlotOf(handle) !== NONE;
    this.#outside = new OutsideIndex(isStored, table.capacity);
    this.#clockSkewMs = config.slack.clockSkewMs;
  }

  /** The row of the packet's flow, or NONE. Allocates nothing. */
  lookup(side: Side, packet: Packet, nowMs: number): number {
    const key = this.#key;
    writeKey(side, packet, this.widths, key, 0);
    return this.table.find(key[0]!, key[1]!, key[2]!, key[3]!, nowMs);
  }

  /**
   * Whether the row may be used without asking (I2). Not in its last moments: another server's
   * clock may say that they are over, and a packet that wakes the flow then would be reported in
   * vain (I4).
   */
  isFresh(slot: number, nowMs: number): boolean {
    if (this.isEnding(slot, nowMs)) return false;
    const marks = this.table.marks(slot);
    const isTold = (marks & OVERTAKEN) === 0;
    const confirmedMs = this.table.confirmedMs(slot);
    return this.freshness.isFresh(marks >>> SHARD_SHIFT, confirmedMs, nowMs, isTold);
  }

  /** Whether the row is in its last moments. */
  isEnding(slot: number, nowMs: number): boolean {
    return this.table.deadlineMs(slot) - nowMs < this.#clockSkewMs;
  }

  /** Whether a packet of the flow keeps it for another timeout. */
  isKeptBy(side: Side, packet: Packet): boolean {
    if (packet.embeddedOffset !== 0 || isReset(packet)) return false;
    return side === Side.Inside || this.#inboundRefreshes(packet.protocol);
  }

  /** Whether the feed tells of whatever happens to the row. */
  isCovered(slot: number): boolean {
    if (this.table.marks(slot) & OVERTAKEN) return false;
    return this.freshness.isCovered(this.shardOf(slot), this.table.confirmedMs(slot));
  }

  shardOf(slot: number): number {
    return this.table.marks(slot) >>> SHARD_SHIFT;
  }

  /** The rows of an outside endpoint, or the one with this remote endpoint. */
  slotsOf(
    protocol: number,
    address: number,
    port: number,
    remote: SocketAddress | null,
    nowMs: number,
  ): number[] {
    if (remote === null && this.widths.of(protocol) !== Width.Binding) {
      const slots = this.#outside.of(address, port).map((handle) => this.storedSlotOf(handle));
      return slots.filter((slot) => slot !== NONE && this.table.protocol(slot) === protocol);
    }
    const remoteAddress = remote === null ? 0 : ipv4ToNumber(remote.address);
    const ports = (((remote?.port ?? 0) << 16) | port) >>> 0;
    const realm = (OUTSIDE_REALM | protocol) >>> 0;
    const slot = this.table.find(realm, remoteAddress, address, ports, nowMs);
    return slot === NONE ? [] : [slot];
  }

  /** How many outside endpoints have a list of flows: about as many as have flows. */
  get outsideEndpoints(): number {
    return this.#outside.size;
  }

  /** Forgets the lists of outside endpoints whose flows are gone, a few per call. */
  prune(endpointsMax: number): void {
    this.#outside.prune(endpointsMax);
  }

  isClosing(slot: number): boolean {
    const { table } = this;
    const phase = tcpPhase(table.flags(slot), table.seenMs(slot), table.rstMs(slot));
    return phase === Phase.Closing;
  }

  /**
   * Whether a SYN or SYN-ACK may belong to a next incarnation, though the row seems to live: it saw
   * data from that side before, and was not confirmed since the packet came (at `sinceMs`). Other
   * gateways may have seen the end, or opened anew. What is seen of the new connection must not be
   * put down to the old one.
   */
  maybeNext(slot: number, side: Side, packet: Packet, sinceMs: number): boolean {
    if (!isSyn(packet)) return false;
    const { table } = this;
    const data = side === Side.Inside ? OUT_DATA : IN_DATA;
    return (table.flags(slot) & data) !== 0 && table.confirmedMs(slot) < sinceMs;
  }

  /** Notes a packet of the flow. Returns whether the store should hear of it now. */
  see(slot: number, side: Side, packet: Packet, nowMs: number): boolean {
    const { table } = this;
    const outbound = side === Side.Inside;
    table.count(slot, outbound ? OUTBOUND : INBOUND, packet.totalLength);
    if (isReset(packet)) {
      // The first one since data counts: each further one would keep the flow (RFC 7857 section 7).
      if (table.rstMs(slot) > table.seenMs(slot)) return false;
      table.setRstMs(slot, nowMs);
      this.mark(slot, NEWS);
      return true;
    }
    const tcp = packet.protocol === TCP;
    const refreshes = outbound || this.#inboundRefreshes(packet.protocol);
    if (refreshes) {
      table.setSeenMs(slot, nowMs);
      this.mark(slot, NEWS);
    }
    const before = table.flags(slot);
    const flags = before | (outbound ? outboundFlags(packet) : inboundFlags(packet));
    // Only TCP's timeout depends on its flags.
    const changed = tcp && flags !== before;
    if (flags !== before) table.setFlags(slot, flags);
    return changed || (refreshes && nowMs >= table.touchDueMs(slot));
  }

  #inboundRefreshes(protocol: number): boolean {
    const { tcp, udp, icmp } = this.#config.inboundRefresh;
    return protocol === TCP ? tcp : protocol === UDP ? udp : icmp;
  }

  mark(slot: number, marks: number): void {
    const before = this.table.marks(slot);
    if ((before & marks) !== marks) this.table.setMarks(slot, before | marks);
  }

  unmark(slot: number, marks: number): void {
    this.table.setMarks(slot, this.table.marks(slot) & ~marks);
  }

  /** Puts what the store answered into the table; NONE where the table is full. */
  install(entry: StoredEntry, remote: SocketAddress | null, sentMs: number, nowMs: number): number {
    const { inside } = entry;
    const flow = remote === null ? entry.binding : entry.flow;
    if (flow === null) return NONE;
    const keys = keysOf(inside, remote, entry.outside);
    const held = this.#findSame(keys, flow.identity, nowMs);
    if (held !== NONE) {
      this.confirm(held, flow, sentMs);
      return held;
    }
    const deadlineMs = sentMs + flow.lifeMs;
    const state = { flags: flow.flags, seenMs: NEVER, rstMs: NEVER };
    const marks = shardOfInside(inside) << SHARD_SHIFT;
    const input = { ...keys, ...flow.identity, ...state, marks, deadlineMs };
    return this.#put(input, flow, sentMs, nowMs);
  }

  /** Puts a flow that the store does not know yet: fresh until whoever opened it takes it away. */
  installProvisional({ inside, remote, outside, nonce }: ProvisionalRow, nowMs: number): number {
    const marks = PROVISIONAL | (shardOfInside(inside) << SHARD_SHIFT);
    const state = { flags: 0, seenMs: nowMs, rstMs: NEVER, generation: 0, nonce };
    const row = { ...keysOf(inside, remote, outside), ...state, marks };
    const put = this.table.put({ ...row, deadlineMs: Infinity, confirmedMs: Infinity }, nowMs);
    if (put.kind === 'full') return NONE;
    if (this.widths.of(inside.protocol) !== Width.Binding) {
      this.#outside.add(row.outsideAddress, row.outsidePort, put.handle);
    }
    this.prolong(put.slot, nowMs);
    return put.slot;
  }

  /** The store took a provisional flow for its own: the row gets its identity. */
  adopt(slot: number, flow: StoredFlow, sentMs: number, nowMs: number): number {
    const row = this.table.flowAt(slot);
    const marks = row.marks! & ~PROVISIONAL;
    const deadlineMs = sentMs + flow.lifeMs;
    return this.#put({ ...row, ...flow.identity, marks, deadlineMs }, flow, sentMs, nowMs);
  }

  /** Moves the deadline to where the store would, had it heard what was seen here. */
  prolong(slot: number, nowMs: number): void {
    const { table } = this;
    const seenMs = Math.max(table.seenMs(slot), table.rstMs(slot));
    const deadlineMs = seenMs + this.lifetimes.lifeMs(slot);
    if (table.marks(slot) & PROVISIONAL || deadlineMs > table.deadlineMs(slot)) {
      table.extend(slot, deadlineMs);
    }
    table.setTouchDueMs(slot, nowMs + this.lifetimes.touchIntervalMs(slot));
  }

  /** The slot of a flow that is stored, Active or Expired, or NONE. */
  storedSlotOf(handle: Handle): number {
    const slot = this.table.slotOf(handle);
    return slot === NONE ? this.table.expiredSlotOf(handle) : slot;
  }

  /**
   * The store confirmed a row that may have expired here meanwhile: nothing returns to Active, so
   * an Expired one is put again. Returns its slot, NONE where the table is full.
   */
  renew(slot: number, flow: StoredFlow, sentMs: number, nowMs: number): number {
    if (this.table.isActive(slot)) {
      this.confirm(slot, flow, sentMs);
      return slot;
    }
    const input = { ...this.table.flowAt(slot), deadlineMs: sentMs + flow.lifeMs };
    return this.#put(input, flow, sentMs, nowMs);
  }

  /** The store confirmed the row as of `sentMs`. */
  confirm(slot: number, flow: StoredFlow, sentMs: number): void {
    const { table } = this;
    const isTold = table.protocol(slot) !== TCP || (table.flags(slot) & ~flow.flags) === 0;
    table.setFlags(slot, table.flags(slot) | flow.flags);
    if (flow.reset) table.setRstMs(slot, Math.max(table.rstMs(slot), sentMs));
    else if (table.rstMs(slot) <= sentMs) table.setRstMs(slot, NEVER);
    // Answers may overtake each other: the later question is the later word.
    table.setConfirmedMs(slot, Math.max(table.confirmedMs(slot), sentMs));
    if (!this.freshness.isOvertaken(this.shardOf(slot), sentMs)) this.unmark(slot, OVERTAKEN);
    table.extend(slot, sentMs + flow.lifeMs);
    const reportedMs = this.lifetimes.reportedMs(slot, flow.lifeMs, sentMs);
    // What the store does not know of the connection, or lost, is told with the next packet.
    table.setTouchDueMs(slot, isTold ? this.lifetimes.touchDueMs(slot, reportedMs) : NEVER);
    // The store knows of a packet that did not come this way.
    const oursMs = Math.max(table.seenMs(slot), table.rstMs(slot));
    if (reportedMs > oursMs + AGE_STEP_MS) this.unmark(slot, REPORTED);
  }

  /**
   * The store merged a report of ours, whose last packet came at `seenMs`, into what others had
   * reported: if that was later, they are the ones to ask before the flow ends.
   */
  noteReport(slot: number, { lifeMs }: StoredFlow, seenMs: number, sentMs: number): void {
    const isLast = this.lifetimes.reportedMs(slot, lifeMs, sentMs) <= seenMs + AGE_STEP_MS;
    if (isLast) this.mark(slot, REPORTED);
    else this.unmark(slot, REPORTED);
  }

  /** The store merged a report that left at `sentMs`: what was seen until then is no news. */
  reported(slot: number, sentMs: number): void {
    const { table } = this;
    if (table.seenMs(slot) <= sentMs && table.rstMs(slot) <= sentMs) this.unmark(slot, NEWS);
  }

  /** Whether the store, which confirmed the row just now, knows so little of what was seen here
   * that its slack does not cover it: what was reported was lost with its data. */
  isUnderReported(slot: number): boolean {
    const touchDueMs = this.table.touchDueMs(slot);
    return touchDueMs === NEVER || this.table.seenMs(slot) > touchDueMs;
  }

  /** Whether something was seen that no touch has carried to the store yet. */
  hasNews(slot: number): boolean {
    return (this.table.marks(slot) & NEWS) !== 0;
  }

  /** The same at the end of the flow's life: what the store knows all but for a moment (an opening
   * reports its packet a moment before that leaves) gives it no longer life. */
  hasLateNews(slot: number): boolean {
    const { table } = this;
    if (!this.hasNews(slot)) return false;
    if (table.rstMs(slot) > table.confirmedMs(slot)) return true;
    return table.seenMs(slot) > this.lifetimes.plannedFromMs(slot) + NEWS_MS;
  }

  /**
   * What to report: ages as of now. When the flow was seen here is said again and again, because
   * what confirmed the row meanwhile may have been a question; merging the same twice is harmless.
   * An RST is said only while no confirmation came since: `confirm` writes the store's own into the
   * row, and that one was not seen here.
   */
  sighting(slot: number, nowMs: number): Sighting {
    const { table } = this;
    const seenMs = table.seenMs(slot);
    const rstMs = table.rstMs(slot);
    return {
      flags: table.flags(slot),
      ageMs: seenMs === NEVER ? null : nowMs - seenMs,
      rstAgeMs: rstMs > table.confirmedMs(slot) ? nowMs - rstMs : null,
    };
  }

  /**
   * All that is known of a flow, for a store that knows nothing of it any more. What was never seen
   * here was alive when it was confirmed last.
   */
  wholeSighting(slot: number, nowMs: number): Sighting {
    const { table } = this;
    const rstMs = table.rstMs(slot);
    const seenMs = Math.max(table.seenMs(slot), rstMs === NEVER ? table.confirmedMs(slot) : NEVER);
    return {
      flags: table.flags(slot),
      ageMs: seenMs === NEVER ? null : nowMs - seenMs,
      rstAgeMs: rstMs === NEVER ? null : nowMs - rstMs,
    };
  }

  outsideOf(slot: number): SocketAddress {
    const { table } = this;
    return { address: ipv4FromNumber(table.outsideAddress(slot)), port: table.outsidePort(slot) };
  }

  insideOf(slot: number): Endpoint {
    const { table } = this;
    return {
      domain: table.domain(slot),
      protocol: table.protocol(slot),
      address: ipv4FromNumber(table.insideAddress(slot)),
      port: table.insidePort(slot),
    };
  }

  /** The peer of a flow, as far as it belongs to it; null for a binding. */
  remoteOf(slot: number): SocketAddress | null {
    const { table } = this;
    if (this.widths.of(table.protocol(slot)) === Width.Binding) return null;
    return { address: ipv4FromNumber(table.remoteAddress(slot)), port: table.remotePort(slot) };
  }

  identityOf(slot: number): Identity {
    return { generation: this.table.generation(slot), nonce: this.table.nonce(slot) };
  }

  /** Whether there is a row for what the store answered, whatever it says. */
  isHeld({ inside, outside }: StoredEntry, remote: SocketAddress | null, nowMs: number): boolean {
    return this.#findInside(keysOf(inside, remote, outside), nowMs) !== NONE;
  }

  #findInside(keys: FlowKeys, nowMs: number): number {
    const realm = ((keys.domain << 8) | keys.protocol) >>> 0;
    const ports = ((keys.insidePort << 16) | keys.remotePort) >>> 0;
    return this.table.find(realm, keys.insideAddress, keys.remoteAddress, ports, nowMs);
  }

  /** The row that holds the inside key under the same identity: what is known of it stays. */
  #findSame(keys: FlowKeys, identity: Identity, nowMs: number): number {
    const slot = this.#findInside(keys, nowMs);
    return slot !== NONE && identityEquals(this.identityOf(slot), identity) ? slot : NONE;
  }

  #put(input: FlowInput, flow: StoredFlow, sentMs: number, nowMs: number): number {
    const put = this.table.put(input, nowMs);
    if (put.kind === 'full') return NONE;
    if (this.widths.of(input.protocol) !== Width.Binding) {
      this.#outside.add(input.outsideAddress, input.outsidePort, put.handle);
    }
    // What confirmed another identity, or a provisional flow, says nothing of this one.
    this.table.setConfirmedMs(put.slot, sentMs);
    this.mark(put.slot, OVERTAKEN);
    this.confirm(put.slot, flow, sentMs);
    return put.slot;
  }
}

/** When the last packet of a sighting came that was told at `sentMs`. */
export function seenAt({ ageMs, rstAgeMs }: Sighting, sentMs: number): number {
  const age = Math.min(ageMs ?? Number.POSITIVE_INFINITY, rstAgeMs ?? Number.POSITIVE_INFINITY);
  return age === Number.POSITIVE_INFINITY ? NEVER : sentMs - age;
}

interface ProvisionalRow {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
  readonly outside: SocketAddress;
  readonly nonce: number;
}
