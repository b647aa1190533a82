/**
 * The local flow table: rows in typed arrays, found by either direction's key, each with a timer.
 *
 * ```
 *               put                    deadline passed                remove, put of the same key,
 *   free slot -------> Active -------------------------------> Expired -----------------> free slot
 *        ^               |     poll finds it: told at once       |       purge
 *        |               |     find finds it: told at next poll  |
 *        +---------------+                                       |
 *          remove, put of one of its keys (Detached), cancel (Cancelled)
 * ```
 *
 * Each row is in exactly one list: one of the timer's while Active, UNTOLD or TOLD once Expired,
 * FREE when the slot is free.
 */
import { FlowStatus } from '@flowstore/flow';
import type { Expiry, ExpiryContext } from './expiry.ts';
import { FlowColumns } from './flow-columns.ts';
import { FlowIndex, PREFETCH_MAX } from './flow-index.ts';
import {
  checkAddresses6,
  checkFacts,
  type FlowFacts,
  type FlowInput,
  type FlowInput6,
  type FlowTableCounters,
  FULL,
  newCounters,
  type PutResult,
} from './flow-input.ts';
import { type Handle, INCARNATIONS_MAX } from './handle.ts';
import type { Key6 } from './key-hash.ts';
import { Lazy } from './lazy.ts';
import { Lists } from './lists.ts';
import { NONE } from './none.ts';
import {
  capacityOf,
  DUE_DEFAULT,
  type FlowTableOptions,
  HIGH_WATER_DEFAULT,
  RESERVE_SHARE,
} from './options.ts';
import { IPV6_BIT } from './rows.ts';
import { Slots } from './slots.ts';
import { WHEEL_LISTS, Wheel } from './wheel.ts';

/** The purge stops when the table is so far below its high-water mark. */
const LOW_WATER_SHARE = 7 / 8;
/** Timers that a poll looks at per handle it may hand out: most were extended or move down. */
const STEPS_PER_DUE = 8;
const PURGE_PER_PUT = 2;
const PURGE_WHEN_FULL = 16;
/** A put leaves untold rows to the poll unless nobody polled for so long. */
const POLL_PATIENCE_MS = 1_000;
/** The deadline of a row that has none any more: no instant is before it. */
const OVER = Number.NEGATIVE_INFINITY;

const UNTOLD = WHEEL_LISTS;
const TOLD = WHEEL_LISTS + 1;
const FREE = WHEEL_LISTS + 2;
const LISTS = WHEEL_LISTS + 3;

export class FlowTable extends FlowColumns {
  /** The handles that the last poll handed out; only its first so many are valid. */
  readonly due: Float64Array;
  readonly capacity: number;
  readonly reserve: number;
  readonly highWater: number;
  readonly lowWater: number;
  readonly counters: FlowTableCounters = newCounters();

  readonly #lists: Lists;
  readonly #slots: Slots;
  readonly #index: FlowIndex;
  readonly #expiry: Expiry;
  #nowMs: number;
  #polledMs: number;
  #size = 0;
  #activeSize = 0;
  #isPurging = false;

  /** Throws a RangeError when the capacity is not 1 to CAPACITY_MAX. */
  constructor(options: FlowTableOptions) {
    const { highWaterMax = HIGH_WATER_DEFAULT } = options;
    const capacityMax = capacityOf(options);
    const reserve = Math.floor(capacityMax * RESERVE_SHARE);
    const flows = capacityMax + reserve;
    const slots = flows + 1;
    super(slots);
    this.capacity = capacityMax;
    this.reserve = reserve;
    this.highWater = highWaterMax;
    this.lowWater = Math.floor(highWaterMax * LOW_WATER_SHARE);
    this.due = new Float64Array(options.dueMax ?? DUE_DEFAULT);
    this.#nowMs = options.nowMs;
    this.#polledMs = options.nowMs;
    this.#lists = new Lists(slots, LISTS);
    this.#slots = new Slots(
      this.rows,
      this.#lists,
      FREE,
      options.incarnationsMax ?? INCARNATIONS_MAX,
    );
    this.#index = new FlowIndex(this.rows, flows, options.seed);
    this.#expiry = this.#newExpiry(options, slots);
  }

  /** Rows stored, Active and Expired. */
  get size(): number {
    return this.#size;
  }

  get activeSize(): number {
    return this.#activeSize;
  }

  /** Whether the table is over its high-water mark, or was and is not below the low one yet. */
  get isPurging(): boolean {
    return this.#isPurging;
  }

  /** Slots whose incarnations are used up: so much less may be stored. */
  get retiredSlots(): number {
    return this.#slots.retired;
  }

  /**
   * The slot of the flow that holds this key (see FlowKey's four words; signed or unsigned), or
   * NONE. A flow past its deadline is never returned: it is marked Expired, and the next poll hands
   * it out. The slot is good until the table is next put to, polled, purged or removed from.
   */
  find(w0: number, w1: number, w2: number, w3: number, nowMs: number): number {
    return this.#living(this.#index.find(w0, w1, w2, w3), nowMs);
  }

  /** Spares the next lookups of these keys (four words each; the first PREFETCH_MAX) their cache
   * misses. Changes nothing; costs time where the cache holds all. */
  prefetch(keys: Int32Array, count: number): void {
    const keysCount = Math.min(count, PREFETCH_MAX);
    this.#index.prefetch(keys, keysCount);
    this.traffic.prefetch(this.#index.foreseen, keysCount);
  }

  /** As find, by the ten words of an IPv6 key. */
  find6(key: Key6, nowMs: number): number {
    return this.#living(this.#index.find6(key), nowMs);
  }

  /**
   * Stores a flow in a slot of a new incarnation, with a timer of its own. Rows that hold one of
   * its keys, be they Active or Expired, are Detached and their slots free at once; where the one
   * that held the inside key has the same identity, its traffic counts go on.
   * Throws a RangeError for a domain above DOMAIN_MAX or a deadline that is no instant.
   */
  put(flow: FlowInput, nowMs: number, mayUseReserve = false): PutResult {
    this.#prepare(flow, nowMs);
    this.#index.seek(flow);
    const slot = this.#claim(flow, mayUseReserve);
    if (slot === NONE) return FULL;
    this.rows.write(slot, flow);
    return this.#start(slot, flow, 0);
  }

  /** As put, for IPv6. Throws a RangeError also where an address has not 16 bytes. */
  put6(flow: FlowInput6, nowMs: number, mayUseReserve = false): PutResult {
    checkAddresses6(flow);
    this.#prepare(flow, nowMs);
    this.#index.seek6(flow);
    const slot = this.#claim(flow, mayUseReserve);
    if (slot === NONE) return FULL;
    this.rows.write6(slot, flow);
    return this.#start(slot, flow, IPV6_BIT);
  }

  handleOf(slot: number): Handle {
    return this.#slots.handleOf(slot);
  }

  /** The handle's slot while its flow is Active, NONE from then on. */
  slotOf(handle: Handle): number {
    return this.#slotWith(handle, FlowStatus.Active);
  }

  /** The handle's slot while its flow is Expired and stored: its columns can still be read. */
  expiredSlotOf(handle: Handle): number {
    return this.#slotWith(handle, FlowStatus.Expired);
  }

  /**
   * What became of the handle's flow. Cancelled is remembered until the slot is used again, and is
   * Detached from then on. `nowMs` is the latest instant the table was told, by default.
   */
  status(handle: Handle, nowMs = this.#nowMs): FlowStatus {
    const slot = this.#slots.slotOf(handle);
    if (slot === NONE) return FlowStatus.Detached;
    const isStored = this.#slots.isStored(slot);
    if (isStored && this.rows.deadlineMs(slot) <= nowMs) this.#expireBeforePoll(slot);
    return this.#slots.statusOf(slot);
  }

  /**
   * Moves an Active flow's deadline. Later costs one write: the timer finds out when it fires.
   * False, and nothing done, when the row is Expired or gone: nothing returns to Active.
   */
  extend(slot: number, deadlineMs: number): boolean {
    const previousMs = this.rows.deadlineMs(slot);
    if (!(previousMs > OVER && deadlineMs > OVER)) return false;
    if (deadlineMs >= previousMs) {
      this.rows.setDeadlineMs(slot, deadlineMs);
      return true;
    }
    this.#expiry.disarm(slot);
    this.rows.setDeadlineMs(slot, deadlineMs);
    this.#expiry.arm(slot);
    return true;
  }

  /** Takes a row out, Active or Expired; its handles are Detached. False if nothing was there. */
  remove(slot: number): boolean {
    if (!this.#slots.isStored(slot)) return false;
    this.#release(slot, FlowStatus.Detached);
    this.counters.removed++;
    return true;
  }

  /** Takes an Active row out as Cancelled; an Expired one is removed. */
  cancel(slot: number): boolean {
    if (this.#slots.statusOf(slot) !== FlowStatus.Active) return this.remove(slot);
    this.#release(slot, FlowStatus.Cancelled);
    this.counters.cancelled++;
    return true;
  }

  /**
   * Writes the handles of flows that expired to `due`, each once and up to `dueMax`, and returns
   * how many. They stay stored, Expired, until they are removed, replaced or purged. The work of
   * one poll is bounded: when more is left, nextDueMs() is not in the future. A clock that went
   * backward is taken to stand still.
   */
  poll(nowMs: number, dueMax = this.due.length): number {
    this.#advance(nowMs);
    this.#polledMs = this.#nowMs;
    const countMax = Math.min(dueMax, this.due.length);
    let count = 0;
    while (count < countMax) {
      const slot = this.#lists.first(UNTOLD);
      if (slot === NONE) break;
      this.#lists.unlink(slot);
      this.#lists.append(TOLD, slot);
      this.due[count++] = this.#slots.handleOf(slot);
    }
    const stepsMax = countMax * STEPS_PER_DUE;
    this.#expiry.stepsLeft = stepsMax;
    while (count < countMax) {
      const slot = this.#expiry.takeDue(this.#nowMs);
      if (slot === NONE) break;
      this.#expire(slot, TOLD);
      this.due[count++] = this.#slots.handleOf(slot);
    }
    this.counters.timerSteps += stepsMax - this.#expiry.stepsLeft;
    return count;
  }

  /** When poll should be called next; Infinity when there is nothing to wait for. */
  nextDueMs(): number {
    return this.#lists.isEmpty(UNTOLD) ? this.#expiry.nextDueMs() : this.#nowMs;
  }

  /**
   * While the table is over its high-water mark, frees up to `stepsMax` rows that are Expired or
   * past their deadline, told ones first, and returns how many. Never scans Active rows.
   */
  purge(nowMs: number, stepsMax: number): number {
    this.#advance(nowMs);
    return this.#isPurging ? this.#purge(stepsMax, true) : 0;
  }

  /**
   * The next stored slot, Active or Expired, after this one (0 to begin with), or NONE. Inserting
   * and removing on the way is safe: no slot comes twice, and what stays stored is not missed.
   */
  nextSlot(after: number): number {
    return this.#slots.nextStored(after);
  }

  forEach(visit: (slot: number) => void): void {
    for (let slot = this.nextSlot(0); slot !== NONE; slot = this.nextSlot(slot)) visit(slot);
  }

  /** The highest slot ever used. */
  get slotsUsed(): number {
    return this.#slots.used;
  }

  /** Whether the slot holds a row, Active or Expired. */
  isStored(slot: number): boolean {
    return this.#slots.isStored(slot);
  }

  isActive(slot: number): boolean {
    return this.#slots.statusOf(slot) === FlowStatus.Active;
  }

  #newExpiry({ expiry = 'wheel', nowMs }: FlowTableOptions, slots: number): Expiry {
    if (expiry === 'wheel') return new Wheel(this.#lists, this.rows, nowMs);
    const context: ExpiryContext = {
      slots,
      nowMs: () => this.#nowMs,
      deadlineMs: (slot) => this.rows.deadlineMs(slot),
    };
    return expiry === 'lazy' ? new Lazy(context) : expiry(context);
  }

  #advance(nowMs: number): void {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs;
  }

  /** The slot that was found, or NONE if its flow is past its deadline. */
  #living(slot: number, nowMs: number): number {
    if (slot === NONE || nowMs < this.rows.deadlineMs(slot)) return slot;
    this.#expireBeforePoll(slot);
    return NONE;
  }

  #slotWith(handle: Handle, status: FlowStatus): number {
    const slot = this.#slots.slotOf(handle);
    return slot !== NONE && this.#slots.statusOf(slot) === status ? slot : NONE;
  }

  /** Room for one row more, made by purging if there are stale ones. */
  #hasRoom(mayUseReserve: boolean): boolean {
    const sizeMax = mayUseReserve ? this.capacity + this.reserve : this.capacity;
    if (this.#size >= sizeMax || !this.#slots.hasRoom) this.#freeStale(PURGE_WHEN_FULL, true);
    return this.#size < sizeMax && this.#slots.hasRoom;
  }

  /** Replacing takes no room, except in place of slots that may not be used again. */
  #canReplace(inside: number, outside: number): boolean {
    const slots = this.#slots;
    return slots.hasRoom || slots.isReusable(inside) || slots.isReusable(outside);
  }

  /** Before a put: checks, time, and two stale rows fewer. */
  #prepare(flow: FlowInput | FlowInput6, nowMs: number): void {
    checkFacts(flow);
    this.#advance(nowMs);
    if (this.#isPurging) this.#purge(PURGE_PER_PUT, nowMs - this.#polledMs > POLL_PATIENCE_MS);
  }

  /** A slot for the flow whose keys were just sought, in place of what held them; NONE if full. */
  #claim(flow: FlowFacts, mayUseReserve: boolean): number {
    const { inside, outside } = this.#index;
    const replaces = inside !== NONE || outside !== NONE;
    if (replaces ? !this.#canReplace(inside, outside) : !this.#hasRoom(mayUseReserve)) {
      this.counters.fullRefusals++;
      return NONE;
    }
    const continues =
      inside !== NONE &&
      this.generation(inside) === flow.generation &&
      this.nonce(inside) === flow.nonce;
    if (inside !== NONE) this.#release(inside, FlowStatus.Detached);
    if (outside !== NONE && outside !== inside) this.#release(outside, FlowStatus.Detached);
    const slot = this.#slots.take();
    if (continues && slot !== inside) this.traffic.copy(inside, slot);
    else if (!continues && !this.#slots.isFirstUse(slot)) this.traffic.clear(slot);
    return slot;
  }

  /** Fills the row of a claimed slot whose keys are written, and starts its timer. */
  #start(slot: number, flow: FlowFacts, family: number): PutResult {
    const { inside, outside, insideHash, outsideHash } = this.#index;
    this.fillColumns(slot, flow, family, this.#slots.isFirstUse(slot));
    this.#index.insert(slot, insideHash, outsideHash);
    this.rows.setDeadlineMs(slot, flow.deadlineMs);
    this.#expiry.arm(slot);
    this.#activeSize++;
    this.#size++;
    if (this.#size > this.highWater && !this.#isPurging) {
      this.#isPurging = true;
      this.counters.highWaterCrossings++;
    }
    const handle = this.#slots.handleOf(slot);
    if (inside === NONE && outside === NONE) {
      this.counters.inserted++;
      return { kind: 'inserted', slot, handle };
    }
    this.counters.replaced++;
    return { kind: 'replaced', slot, handle };
  }

  /** Active to Expired: the row stays, its timer does not. */
  #expire(slot: number, list: number): void {
    this.#slots.setStatus(slot, FlowStatus.Expired);
    this.rows.setDeadlineMs(slot, OVER);
    this.#lists.append(list, slot);
    this.#activeSize--;
    this.counters.expired++;
  }

  #expireBeforePoll(slot: number): void {
    if (this.#slots.statusOf(slot) !== FlowStatus.Active) return;
    this.#expiry.disarm(slot);
    this.#expire(slot, UNTOLD);
  }

  /** Frees a stored row's slot, timer and keys. */
  #release(slot: number, status: typeof FlowStatus.Cancelled | typeof FlowStatus.Detached): void {
    if (this.#slots.statusOf(slot) === FlowStatus.Active) {
      this.#expiry.disarm(slot);
      this.#activeSize--;
    } else {
      this.#lists.unlink(slot);
    }
    this.#index.remove(slot);
    if (this.rows.isIpv6(slot)) this.rows.addresses6.release(this.rows.entry6(slot));
    this.rows.setDeadlineMs(slot, OVER);
    this.#slots.free(slot, status);
    this.#size--;
    if (this.#size <= this.lowWater) this.#isPurging = false;
  }

  #purge(stepsMax: number, untoldToo: boolean): number {
    let freed = 0;
    while (this.#isPurging && freed < stepsMax && this.#freeStale(1, untoldToo) === 1) freed++;
    return freed;
  }

  /** Frees up to `countMax` stale rows: the longest told, then untold, then those past deadline. */
  #freeStale(countMax: number, untoldToo: boolean): number {
    const stepsMax = countMax * STEPS_PER_DUE;
    this.#expiry.stepsLeft = stepsMax;
    let count = 0;
    for (; count < countMax; count++) {
      let slot = this.#lists.first(TOLD);
      if (slot === NONE && untoldToo) slot = this.#lists.first(UNTOLD);
      if (slot === NONE && untoldToo) {
        slot = this.#expiry.takeStale(this.#nowMs);
        if (slot !== NONE) this.#expire(slot, TOLD);
      }
      if (slot === NONE) break;
      this.#release(slot, FlowStatus.Detached);
      this.counters.purged++;
    }
    this.counters.timerSteps += stepsMax - this.#expiry.stepsLeft;
    return count;
  }
}
