/**
 * Stands before the opener: a subscriber at its limit opens no new binding. It may still join one
 * that exists, for instance another gateway's, so the store is asked without a proposal.
 */
import { identityEquals } from '@flowstore/flow';
import type { Opener, Opening, OpenOutcome } from './opener.ts';
import type { Admission, SubscriberAccounts } from './subscriber-accounts.ts';

export type GateOutcome =
  | OpenOutcome
  | { readonly kind: 'subscriberLimit' }
  | { readonly kind: 'subscriberRate' };

export class SubscriberGate {
  readonly #accounts: SubscriberAccounts;
  readonly #opener: Pick<Opener, 'open'>;

  constructor(accounts: SubscriberAccounts, opener: Pick<Opener, 'open'>) {
    this.#accounts = accounts;
    this.#opener = opener;
  }

  open(
    opening: Opening,
    nowMs: number,
    onDone: (outcome: GateOutcome, nowMs: number) => void,
  ): void {
    // A next incarnation, or a flow from outside, stands on a binding that is counted already.
    if (!opening.mayBind || opening.replaces !== null) {
      this.#opener.open(opening, nowMs, onDone);
      return;
    }
    this.#accounts.admit(opening.inside, nowMs, (admission, admittedMs) => {
      if (admission === 'granted') this.#bind(opening, admittedMs, onDone);
      else if (admission === 'later') onDone({ kind: 'noAnswer' }, admittedMs);
      else this.#join(opening, admission, admittedMs, onDone);
    });
  }

  #bind(
    opening: Opening,
    nowMs: number,
    onDone: (outcome: GateOutcome, nowMs: number) => void,
  ): void {
    this.#opener.open(opening, nowMs, (outcome, answeredMs) => {
      this.#accounts.settle(opening.inside, mayHaveBound(outcome));
      onDone(outcome, answeredMs);
    });
  }

  #join(
    opening: Opening,
    refusal: Extract<Admission, 'tooMany' | 'tooFast'>,
    nowMs: number,
    onDone: (outcome: GateOutcome, nowMs: number) => void,
  ): void {
    this.#opener.open({ ...opening, mayBind: false }, nowMs, (outcome, answeredMs) => {
      const kind = refusal === 'tooMany' ? 'subscriberLimit' : 'subscriberRate';
      onDone(outcome.kind === 'noBinding' ? { kind } : outcome, answeredMs);
    });
  }
}

/** A TCP flow that joined a binding has another identity than the binding. */
function mayHaveBound(outcome: OpenOutcome): boolean {
  if (outcome.kind === 'provisional') return true;
  if (outcome.kind !== 'entry') return outcome.kind === 'noAnswer';
  const { binding, flow } = outcome.entry;
  return outcome.isNew && (flow === null || identityEquals(flow.identity, binding.identity));
}
