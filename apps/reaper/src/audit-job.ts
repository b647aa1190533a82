/**
 * One job of the audit: checks some keys from where the last job stopped, and says where the next
 * one goes on. So a walk over everything takes as long as it takes, beside the sweeps.
 */
import type { AuditFinding, AuditStep } from '@flowstore/flow-store';

/** Keys per call: SCAN's own measure, so a little more or less come. */
const STEP_KEYS = 64;

export interface AuditParts {
  readonly store: { audit(place: string | null, keys: number): Promise<AuditStep> };
  readonly keysMax: number;
  readonly onStep: (step: AuditStep) => void;
  readonly onFinding: (finding: AuditFinding) => void;
  /** No further call once this is aborted. */
  readonly stopping: AbortSignal;
}

export interface AuditSummary {
  /** Where the next job goes on; null: with a new walk. */
  readonly place: string | null;
  readonly checked: number;
  readonly findings: number;
}

export async function runAuditJob(parts: AuditParts, from: string | null): Promise<AuditSummary> {
  const { store, keysMax, onStep, onFinding, stopping } = parts;
  const summary = { place: from, checked: 0, findings: 0 };
  for (let keys = 0; keys < keysMax && !stopping.aborted; keys += STEP_KEYS) {
    const step = await store.audit(summary.place, STEP_KEYS);
    onStep(step);
    step.findings.forEach(onFinding);
    summary.place = step.next;
    summary.checked += step.checked;
    summary.findings += step.findings.length;
    if (step.next === null) break;
  }
  return summary;
}
