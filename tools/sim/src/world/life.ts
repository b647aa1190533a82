/** One run of a gateway: from its start to its stop or death, with what troubled it meanwhile. */
/** Reports take seconds where calls were lost before. */
const CATCH_UP_MS = 10_000;

export class Life {
  readonly gateway: number;
  readonly number: number;
  readonly incarnation: string;
  readonly startedMs: number;
  endedMs: number | null = null;
  /** It was told to stop: it says its last words, and nothing again. */
  isStopping = false;
  /** When it was killed rather than stopped: its last words were not said. */
  killed = false;
  /** The store lost what this life had reported, after its end: nobody can tell it again. */
  isForgotten = false;
  /** It was killed, and flows live shorter since: the slack may not cover what it held back. */
  isOutlived = false;
  /** When the store last lost what this life had reported while it lived on to tell it again. */
  lostMs: number | null = null;
  /** By shard: when the last read of its feed was sent that was answered. */
  readonly heardMs = new Map<number, number>();
  #behindUntilMs = Number.NEGATIVE_INFINITY;
  readonly #troubles: { readonly fromMs: number; untilMs: number }[] = [];
  #open = 0;

  constructor(gateway: number, number: number, incarnation: string, startedMs: number) {
    this.gateway = gateway;
    this.number = number;
    this.incarnation = incarnation;
    this.startedMs = startedMs;
  }

  get name(): string {
    return `gw${this.gateway + 1}.${this.number}`;
  }

  /** Something keeps it from the store, or from the processor. Troubles may overlap. */
  beginTrouble(nowMs: number): void {
    if (this.#open++ === 0) this.#troubles.push({ fromMs: nowMs, untilMs: Number.MAX_VALUE });
  }

  endTrouble(nowMs: number): void {
    if (--this.#open === 0) this.#troubles.at(-1)!.untilMs = nowMs;
  }

  /** Another configuration holds, and nobody waited for this gateway to hear of it. */
  fallBehind(): void {
    this.#behindUntilMs = Number.POSITIVE_INFINITY;
  }

  /** It heard what holds: it reports by that, as soon as it has been through its flows. */
  catchUp(nowMs: number): void {
    if (this.#behindUntilMs === Number.POSITIVE_INFINITY) this.#behindUntilMs = nowMs + CATCH_UP_MS;
  }

  isBehind(nowMs: number): boolean {
    return Math.min(nowMs, this.endedMs ?? nowMs) < this.#behindUntilMs;
  }

  /** How long of this span it was in trouble. */
  troubledMs(fromMs: number, untilMs: number): number {
    let sum = 0;
    for (let i = this.#troubles.length - 1; i >= 0; i--) {
      const trouble = this.#troubles[i]!;
      if (trouble.untilMs <= fromMs) break;
      const overlap = Math.min(untilMs, trouble.untilMs) - Math.max(fromMs, trouble.fromMs);
      if (overlap > 0) sum += overlap;
    }
    return sum;
  }
}
