/** Somebody at the command line, who cancels bindings. */
import type { Random } from '../random.ts';
import type { StoreLink } from './store-link.ts';
import type { StoreSite } from './store-site.ts';
import type { Witness } from './witness.ts';

export class Operator {
  readonly #random: Random;
  readonly #link: StoreLink;
  readonly #site: StoreSite;
  readonly #witness: Witness;

  constructor(options: { random: Random; link: StoreLink; site: StoreSite; witness: Witness }) {
    this.#random = options.random;
    this.#link = options.link;
    this.#site = options.site;
    this.#witness = options.witness;
  }

  /** Cancels one of the live bindings, whole. */
  cancel(): void {
    const bindings = [...this.#witness.truth.live()];
    if (bindings.length === 0) return;
    const { endpoint, generation, nonce } = this.#random.pick(bindings);
    const identity = { generation, nonce };
    const request = { inside: endpoint, remote: null, identity, reason: 'cancel' as const };
    this.#link.send(
      (server) => {
        this.#witness.isOperator = true;
        this.#site.performOne(server, 'close', request);
        this.#witness.isOperator = false;
      },
      () => {},
    );
  }
}
