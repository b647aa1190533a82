/**
 * A handle names one incarnation of one slot, so it may be held for ever: once its flow has left
 * the table, the handle matches nothing.
 *
 * ```
 *  52                        24 23                  0
 *  +---------------------------+---------------------+
 *  | incarnation (29 bits)     | slot (24 bits)      |   a JS integer, always below 2^53
 *  +---------------------------+---------------------+
 * ```
 *
 * An incarnation never comes round again: a slot that used up its last one is retired.
 */
export type Handle = number;

const SLOT_SPAN = 2 ** 24;
/** Slots of one table at most, slot 0 (nobody's) included. */
export const SLOTS_MAX = SLOT_SPAN;
/** Uses of one slot at most, after which it is retired. */
export const INCARNATIONS_MAX = 2 ** 29 - 1;

export function makeHandle(incarnation: number, slot: number): Handle {
  return incarnation * SLOT_SPAN + slot;
}

export function slotOfHandle(handle: Handle): number {
  return handle % SLOT_SPAN;
}

export function incarnationOfHandle(handle: Handle): number {
  return Math.floor(handle / SLOT_SPAN);
}
