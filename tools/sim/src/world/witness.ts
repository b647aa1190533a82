/** Everything that watches the world, wired together: the truth and the checkers of I1 to I8. */
import type { Endpoint, SocketAddress } from '@flowstore/flow';
import type {
  FeedRequest,
  ListResult,
  OpenRequest,
  StoredEntry,
  TouchRequest,
} from '@flowstore/flow-store';
import type { ModelData } from '@flowstore/flow-store/testing';
import type { StoreCall, StoreReply } from '@flowstore/gateway-core';
import { BoundChecker } from '../checkers/bounds.ts';
import { Checks } from '../checkers/checks.ts';
import { describeFlow, EndingChecker } from '../checkers/endings.ts';
import { IdentityChecker } from '../checkers/identities.ts';
import { OutageChecker } from '../checkers/outages.ts';
import { describe, PortChecker } from '../checkers/ports.ts';
import { Promises } from '../checkers/promises.ts';
import { RestorationChecker } from '../checkers/restorations.ts';
import { SubscriberChecker } from '../checkers/subscribers.ts';
import { TranslationChecker } from '../checkers/translations.ts';
import { Truth } from '../checkers/truth.ts';
import { addressNumber } from '../keys.ts';
import type { Log } from '../log.ts';
import type { Plan } from '../plan.ts';
import type { Timeline } from '../timeline.ts';
import type { Life } from './life.ts';

export class Witness {
  readonly checks: Checks;
  readonly promises: Promises;
  readonly truth: Truth;
  readonly ports: PortChecker;
  readonly identities: IdentityChecker;
  readonly endings: EndingChecker;
  readonly translations: TranslationChecker;
  readonly outages: OutageChecker;
  readonly restorations: RestorationChecker;
  readonly bounds: BoundChecker;
  readonly subscribers: SubscriberChecker;
  /** The script that runs now is an operator's: what it cancels may end early. */
  isOperator = false;
  readonly lives: Life[] = [];
  readonly #timeline: Timeline;
  readonly #plan: Plan;

  constructor(plan: Plan, timeline: Timeline, log: Log) {
    const { limits, tight, tickMs } = plan;
    this.promises = new Promises(plan.config, timeline, this.lives);
    const { config } = this.promises;
    this.#timeline = timeline;
    this.#plan = plan;
    const nowMs = () => timeline.nowMs;
    const checks = new Checks(nowMs, () => timeline.stop());
    this.checks = checks;
    this.ports = new PortChecker(checks, config);
    this.identities = new IdentityChecker(checks);
    this.endings = new EndingChecker(checks, config, nowMs);
    const { bindingsPerCountMax } = limits;
    this.subscribers = new SubscriberChecker(checks, config, bindingsPerCountMax, this.lives);
    this.truth = new Truth({
      bindingCreated: (binding, former, cause) => {
        log.line(nowMs(), `store  ${describe(binding)} bound`);
        this.ports.bindingCreated(binding, former);
        this.subscribers.bindingCreated(binding, cause);
      },
      bindingEnded: (binding, cause) => {
        log.line(nowMs(), `store  ${describe(binding)} ended by ${cause.operation}`);
        this.subscribers.bindingEnded(binding);
      },
      flowCreated: (flow) => {
        log.line(nowMs(), `store  ${describeFlow(flow)} opened`);
        this.translations.provisional.told(flow);
      },
      flowEnded: (flow, cause) => {
        log.line(nowMs(), `store  ${describeFlow(flow)} closed by ${cause.operation}`);
        this.endings.flowEnded(flow, cause);
        if (cause.operation === 'dataLost') this.restorations.lost(flow);
      },
    });
    const { truth } = this;
    this.translations = new TranslationChecker(checks, { config, truth, nowMs, tight });
    this.restorations = new RestorationChecker(checks, { config, truth });
    this.outages = new OutageChecker(checks, { config, nowMs, tight, tickMs });
    this.translations.awayUntilMs = () => this.outages.awayUntilMs();
    this.bounds = new BoundChecker(checks, limits);
  }

  /** Another server took over, without what was written after `sinceMs`. */
  dataLost(data: ModelData, sinceMs: number): void {
    const { nowMs } = this.#timeline;
    this.subscribers.dataLost();
    for (const life of this.lives) {
      const isOver = life.endedMs !== null || life.isStopping;
      if (!isOver) life.lostMs = nowMs;
      else if ((life.endedMs ?? Infinity) > sinceMs) life.isForgotten = true;
    }
    this.truth.syncAll(data, { operation: 'dataLost', cancelled: false }, nowMs);
    const look = this.restorations.watch(this.lives, nowMs);
    if (this.#plan.tight) return;
    // In grace for a lease length, from when somebody is heard.
    this.#timeline.after(this.#plan.config.leaseMs, () => look(this.#timeline.nowMs));
  }

  /** A gateway heard from a server that flows are as it thinks, as of `sentMs`. */
  confirmed(
    life: Life,
    { operation, requests }: StoreCall,
    results: Results,
    { sentMs, isKept }: Hearing,
  ): void {
    for (let i = 0; i < requests.length; i++) {
      if (operation === 'feed') {
        if (results[i] !== null) life.heardMs.set((requests[i] as FeedRequest).shard, sentMs);
        continue;
      }
      for (const confirmed of confirmedBy(operation, requests[i], results[i])) {
        const flow = this.#flowOf(confirmed);
        if (flow === undefined) continue;
        if (flow.generation !== confirmed.generation) {
          // A list says nothing of what the gateway knows already.
          const saidMs = operation === 'list' ? Number.NEGATIVE_INFINITY : sentMs;
          if (flow.endedMs === null) flow.sightings.mislead(life, saidMs);
          continue;
        }
        flow.sightings.confirm(life, sentMs, isKept && TELLS.has(operation));
        // A provisional flow may have come to one that was there: what it saw was merged.
        if (operation !== 'open') continue;
        const seenMs = sentMs - ((requests[i] as OpenRequest).seen.ageMs ?? 0);
        flow.sightings.openedBy(life, seenMs);
        this.translations.provisional.merged(flow, life, seenMs);
      }
    }
  }

  #flowOf({ inside, remote }: Confirmed) {
    const { protocol, address, port } = inside;
    const binding = this.truth.ofInside(protocol, addressNumber(address), port);
    if (binding === undefined) return undefined;
    const to = remote === null ? 0 : addressNumber(remote.address);
    return this.truth.flowOf(binding, to, remote?.port ?? 0);
  }
}

/** Calls that say what was seen of a flow: what else confirms it told the store nothing. */
const TELLS: ReadonlySet<string> = new Set(['open', 'touch', 'reassert']);

type Results = NonNullable<StoreReply['results']>;

interface Hearing {
  readonly sentMs: number;
  /** By the master: one that was replaced keeps nothing of what it confirms. */
  readonly isKept: boolean;
}

interface Confirmed {
  readonly inside: Endpoint;
  readonly remote: SocketAddress | null;
  readonly generation: number;
}

function confirmedBy(operation: string, request: unknown, result: unknown): Confirmed[] {
  if (result === null) return [];
  const { kind } = result as { kind: string };
  if (kind === 'flows') {
    const { flows } = result as ListResult;
    return flows.flatMap(({ entry, remote }) => confirmedEntry(entry, remote));
  }
  const tellsOfIt =
    (operation === 'touch' && kind === 'merged') ||
    (operation === 'reassert' && kind === 'restored');
  if (tellsOfIt) {
    const { inside, remote, identity } = request as TouchRequest;
    return [{ inside, remote, generation: identity.generation }];
  }
  if (operation !== 'open' && operation !== 'find' && operation !== 'reassert') return [];
  if (kind !== 'created' && kind !== 'exists' && kind !== 'entry') return [];
  const { entry } = result as { entry: StoredEntry };
  return confirmedEntry(entry, (request as TouchRequest).remote);
}

function confirmedEntry(entry: StoredEntry, remote: SocketAddress | null): Confirmed[] {
  const flow = remote === null ? entry.binding : entry.flow;
  if (flow === null) return [];
  return [{ inside: entry.inside, remote, generation: flow.identity.generation }];
}
