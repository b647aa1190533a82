/**
 * The status of a flow as a holder of a handle sees it.
 *
 * Active only while in the table; nothing returns to Active; a late timer never turns Cancelled
 * into Expired. Detached says that this handle no longer is what the table holds: its flow was
 * removed or replaced.
 */
export const FlowStatus = { Active: 0, Expired: 1, Cancelled: 2, Detached: 3 } as const;
export type FlowStatus = (typeof FlowStatus)[keyof typeof FlowStatus];

const NAMES = ['active', 'expired', 'cancelled', 'detached'] as const;

export function statusName(status: FlowStatus): string {
  return NAMES[status];
}
