/**
 * I8, a subscriber's bindings: all gateways together pass the limit by what each may open unasked,
 * and no more. What the store lost is told again over any limit, so that the promise ends there.
 */
import type { ClusterConfig } from '@flowstore/flow';
import { formatEndpoint } from '../keys.ts';
import type { Life } from '../world/life.ts';
import type { Checks } from './checks.ts';
import type { BindingTruth, Cause } from './truth.ts';

export class SubscriberChecker {
  readonly #checks: Checks;
  readonly #limit: number;
  /** What each life of a gateway may open before it asks. */
  readonly #unasked: number;
  readonly #lives: readonly Life[];
  /** By inside address. */
  readonly #bindings = new Map<number, number>();
  #isOver = false;

  constructor(
    checks: Checks,
    { bindingsPerSubscriberMax }: ClusterConfig,
    unasked: number,
    lives: readonly Life[],
  ) {
    this.#checks = checks;
    this.#limit = bindingsPerSubscriberMax;
    this.#unasked = unasked;
    this.#lives = lives;
  }

  dataLost(): void {
    this.#isOver = true;
  }

  bindingCreated({ inside }: BindingTruth, { operation }: Cause): void {
    const bindings = (this.#bindings.get(inside) ?? 0) + 1;
    this.#bindings.set(inside, bindings);
    if (this.#limit === 0 || this.#isOver || operation !== 'open') return;
    const max = this.#limit + this.#lives.length * this.#unasked;
    this.#checks.check('I8', bindings <= max, () => {
      const [who] = formatEndpoint(inside, 0).split(':');
      return `${who} has ${bindings} bindings, where ${this.#limit} are allowed, ${max} bearable`;
    });
  }

  bindingEnded({ inside }: BindingTruth): void {
    this.#bindings.set(inside, this.#bindings.get(inside)! - 1);
  }
}
