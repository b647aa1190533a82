/**
 * Runs what has to wait for something in the order in which it was added. What the store answered
 * first the packet thread hears first, though a line of the session log is waited for: an event of
 * the feed that overtook the entry that it is about would drop nothing, and the entry would stay.
 */
export class InOrder {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs it once `ready` is settled, and all that was added before has run. */
  add(ready: Promise<unknown>, run: () => void): void {
    this.#last = Promise.allSettled([this.#last, ready]).then(run);
  }
}
