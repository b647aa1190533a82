/**
 * A shard's grace in the model: the time after its server changed, or nobody was heard, in which
 * what gateways hold is taken for truer than what is stored.
 *
 * ```
 *   heard   heard          silenceMs later, or the server changed
 *   --|-------|----------------|================|==================|----------> time
 *                              since            heard again        heard again + leaseMs
 *                              |<-- nobody knows |<-- re-assertions -->|
 *                                  who holds what
 * ```
 *
 * In grace there are no grants and no sweeps, and `find` does not say `no`. A silence longer than a
 * lease lets sweeps resume, for then nobody holds anything any more. A shorter one takes nothing
 * away: what has neither lease nor row was nobody's when it began, and is granted.
 *
 * Whoever calls by an older configuration than a gateway was heard by stood still meanwhile: it
 * ends nothing for being idle, for flows may be reported more seldom by now than its timeouts say.
 */
import { type ClusterConfig, silenceMs } from '@flowstore/flow';

export class ModelGrace {
  /** The server that wrote last; empty before the shard was marked fresh or used. */
  #runId = '';
  /** When a gateway was heard last; null: none ever was, so none is missed. */
  #heardMs: number | null = null;
  /** When grace began; null: there was none. Kept when it is over. */
  #sinceMs: number | null = null;
  /** When a gateway was first heard in grace; null: none yet. */
  #firstHeardMs: number | null = null;
  /** In this grace, or since, the store knows all that it ever knew. */
  #isKept = false;

  /** The latest configuration that a gateway was heard by, and when one last was. */
  #version = 0;
  #versionMs = 0;

  copyFrom(other: ModelGrace): void {
    this.#runId = other.#runId;
    this.#heardMs = other.#heardMs;
    this.#sinceMs = other.#sinceMs;
    this.#firstHeardMs = other.#firstHeardMs;
    this.#isKept = other.#isKept;
    this.#version = other.#version;
    this.#versionMs = other.#versionMs;
  }

  /** A new deployment has no grace. */
  markFresh(runId: string): void {
    this.#runId = runId;
    this.#heardMs = null;
    this.#sinceMs = null;
    this.#firstHeardMs = null;
    this.#isKept = false;
  }

  /** To be called first in every call: sees whether grace begins. */
  notice(runId: string, config: ClusterConfig, nowMs: number): void {
    if (runId !== this.#runId) {
      this.#runId = runId;
      this.#begin(nowMs, false);
    } else if (this.#heardMs !== null && nowMs - this.#heardMs > silenceMs(config)) {
      if (this.#isUnheard()) return;
      this.#begin(this.#heardMs + silenceMs(config), this.#knewAll(config, this.#heardMs));
    }
  }

  hearOf(config: ClusterConfig, nowMs: number): void {
    if (this.#isOutdated(config, nowMs)) return;
    this.#version = config.version;
    this.#versionMs = nowMs;
  }

  hear(nowMs: number): void {
    this.#heardMs = nowMs;
    if (this.#isUnheard()) this.#firstHeardMs = nowMs;
  }

  /** When it began last; 0: never. */
  get sinceMs(): number {
    return this.#sinceMs ?? 0;
  }

  isOn(config: ClusterConfig, nowMs: number): boolean {
    if (this.#sinceMs === null) return false;
    return this.#firstHeardMs === null || nowMs < this.#firstHeardMs + config.leaseMs;
  }

  /** What was bound when grace began may be unknown to the store: its quarantine is waited for. */
  mayGrant(config: ClusterConfig, nowMs: number): boolean {
    return !this.isOn(config, nowMs) && this.#isQuarantineOver(config, nowMs);
  }

  /** What has neither lease nor row; for as long as no key can have gone by its TTL whose holder
   * went on without a store. */
  mayGrantUntouched(config: ClusterConfig, nowMs: number): boolean {
    if (this.#sinceMs === null || !this.#isKept) return false;
    const { leaseMs, ttlMarginMs } = config;
    const keysLast = nowMs <= this.#sinceMs - silenceMs(config) + ttlMarginMs;
    return keysLast && (this.#firstHeardMs ?? nowMs) <= this.#sinceMs + leaseMs;
  }

  /** For being idle. */
  mayClose(config: ClusterConfig, nowMs: number): boolean {
    return !this.#isOutdated(config, nowMs) && !this.isOn(config, nowMs);
  }

  maySweep(config: ClusterConfig, nowMs: number): boolean {
    if (this.#isOutdated(config, nowMs)) return false;
    if (!this.isOn(config, nowMs)) return true;
    return this.#isUnheard() && nowMs > this.#sinceMs! + config.leaseMs;
  }

  /** One that was published may never hold: a lease later nobody goes by it any more. */
  #isOutdated({ version, leaseMs }: ClusterConfig, nowMs: number): boolean {
    return version < this.#version && nowMs - this.#versionMs <= leaseMs;
  }

  #begin(nowMs: number, isKept: boolean): void {
    this.#sinceMs = nowMs;
    this.#firstHeardMs = null;
    this.#isKept = isKept;
  }

  #isQuarantineOver({ quarantineMs, slack }: ClusterConfig, nowMs: number): boolean {
    return this.#sinceMs === null || nowMs >= this.#sinceMs + quarantineMs + slack.clockSkewMs;
  }

  /** At that instant, and since then. */
  #knewAll(config: ClusterConfig, atMs: number): boolean {
    return !this.isOn(config, atMs) && (this.#isKept || this.#isQuarantineOver(config, atMs));
  }

  #isUnheard(): boolean {
    return this.#sinceMs !== null && this.#firstHeardMs === null;
  }
}
