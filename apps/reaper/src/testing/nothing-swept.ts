/** For tests: what a sweep answers that found nothing to do. */
import type { SweepResult } from '@flowstore/flow-store';

export const NOTHING_SWEPT: SweepResult = {
  looks: 0,
  blocks: 0,
  flowsDeleted: 0,
  bindingsDeleted: 0,
  rowsOrphaned: 0,
  portsFreed: 0,
  leasesExpired: 0,
  inGrace: false,
  overdueMs: 0,
  nextDueMs: null,
  recounts: 0,
  heldMs: null,
};
