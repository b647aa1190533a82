/** What a gateway shows over HTTP, and whether it should get traffic. */
import { createRegistry, type HttpServer, type HttpSettings, startHttp } from '@flowstore/service';
import type { Registry } from 'prom-client';
import type { Membership } from './membership.ts';
import { type MetricSources, registerMetrics } from './metrics.ts';
import type { ThreadClient } from './thread-client.ts';

const HEALTH_EVERY_MS = 500;
const SILENT = 'the packet thread does not answer';

/** /readyz and /metrics exist from the start; what they tell comes with the packet thread. */
export class HttpSide {
  #server: HttpServer | undefined;
  readonly #registry: Registry;
  readonly #storeIsUp: () => boolean;
  readonly #lookAtLinks: () => string[];
  #linkReasons: string[] = [];
  #thread: ThreadClient | undefined;
  #membership: Membership | undefined;
  #routesReady = false;
  #threadIsSilent = false;
  #timer: NodeJS.Timeout | undefined;
  stopping = false;

  static async start(
    settings: HttpSettings,
    version: string,
    storeIsUp: () => boolean,
    lookAtLinks: () => string[],
  ): Promise<HttpSide> {
    const registry = createRegistry({ app: 'gateway', version });
    const side = new HttpSide(registry, storeIsUp, lookAtLinks);
    side.#server = await startHttp({
      ...settings,
      registry,
      ready: () => side.reasons(),
      healthy: () => (side.#threadIsSilent ? [SILENT] : []),
    });
    return side;
  }

  private constructor(registry: Registry, storeIsUp: () => boolean, lookAtLinks: () => string[]) {
    this.#registry = registry;
    this.#storeIsUp = storeIsUp;
    this.#lookAtLinks = lookAtLinks;
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  serve(
    thread: ThreadClient,
    membership: Membership,
    sources: Pick<MetricSources, 'peers' | 'storeStats' | 'sessionLog'>,
  ): void {
    this.#thread = thread;
    this.#membership = membership;
    registerMetrics(this.#registry, {
      snapshot: () => thread.snapshot(),
      storeIsUp: this.#storeIsUp,
      ...sources,
      members: () => membership.members.length,
      configState: () => membership.configState,
    });
    void this.#check();
    this.#timer = setInterval(() => void this.#check(), HEALTH_EVERY_MS);
  }

  /**
   * Why no traffic should be sent here. A store that is away is no reason: known flows go on, and
   * if it is away for everybody there is no better gateway to send them to.
   */
  reasons(): string[] {
    if (this.stopping) return ['stopping'];
    if (this.#thread === undefined) return ['starting'];
    const reasons: string[] = [];
    if (!this.#membership?.joined) reasons.push('not a member of the deployment');
    if (!this.#routesReady) reasons.push('the next hops are not resolved yet');
    reasons.push(...this.#linkReasons);
    if (this.#threadIsSilent) reasons.push(SILENT);
    return reasons;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#server?.close();
  }

  async #check(): Promise<void> {
    this.#linkReasons = this.#lookAtLinks();
    try {
      const snapshot = await this.#thread!.snapshot();
      this.#threadIsSilent = false;
      // Once is enough: a neighbour that goes away later is the router's to notice.
      this.#routesReady ||= snapshot.routesReady;
    } catch {
      this.#threadIsSilent = true;
    }
  }
}
