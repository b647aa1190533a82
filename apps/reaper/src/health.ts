/** Why this reaper is not ready, from what it last heard of the store and of the queue. */

export class Health {
  #storeProblem: string | null = null;
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

  reasons(): string[] {
    const reasons: string[] = [];
    if (this.#storeProblem !== null) reasons.push(`flow store: ${this.#storeProblem}`);
    const status = this.#queueStatus();
    if (status !== 'ready') reasons.push(`queue: the connection is ${status}`);
    return reasons;
  }
}
