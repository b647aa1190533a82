/** Why this reaper does not sweep, from what it last heard of the store and of the queue. */
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

  /** Why the deployment's configuration can't be gone by; null: it is. */
  configCompared(problem: string | null): void {
    this.#configProblem = problem;
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
