/** Why this reaper does not sweep, from what it last heard of the store and of the queue. */
import type { ConfigCheck } from '@flowstore/flow-store';

export class Health {
  #storeProblem: string | null = null;
  #configProblem: string | null = 'the configuration was not compared yet';
  readonly #queueStatus: () => string;

  /** `queueStatus` is the connection's: "ready" when it is. */
  constructor(queueStatus: () => string) {
    this.#queueStatus = queueStatus;
  }

  storeAnswered(): void {
    this.#storeProblem = null;
  }

  storeFailed(why: string): void {
    this.#storeProblem = why;
  }

  configCompared(check: ConfigCheck): void {
    this.#configProblem = problemOf(check);
  }

  reasons(): string[] {
    const reasons: string[] = [];
    if (this.#configProblem !== null) reasons.push(`cluster: ${this.#configProblem}`);
    if (this.#storeProblem !== null) reasons.push(`flow store: ${this.#storeProblem}`);
    const status = this.#queueStatus();
    if (status !== 'ready') reasons.push(`queue: the connection is ${status}`);
    return reasons;
  }
}

function problemOf(check: ConfigCheck): string | null {
  if (check.kind === 'match') return null;
  if (check.kind === 'notInitialised') return 'the deployment is not initialised (gateway --init)';
  return `differs from the deployment's in ${check.fields.join(', ')}`;
}
