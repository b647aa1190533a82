/** Somebody at the command line, who cancels bindings and publishes configurations. */
import type { ClusterConfig } from '@flowstore/flow';
import type { Random } from '../random.ts';
import { type ConfigFile, policyOf } from './policy.ts';
import type { StoreLink } from './store-link.ts';
import type { StoreSite } from './store-site.ts';
import type { Witness } from './witness.ts';

export interface OperatorOptions {
  readonly random: Random;
  readonly link: StoreLink;
  readonly site: StoreSite;
  readonly witness: Witness;
  readonly file: ConfigFile;
}

export class Operator {
  readonly #random: Random;
  readonly #link: StoreLink;
  readonly #site: StoreSite;
  readonly #witness: Witness;
  readonly #file: ConfigFile;

  constructor({ random, link, site, witness, file }: OperatorOptions) {
    this.#random = random;
    this.#link = link;
    this.#site = site;
    this.#witness = witness;
    this.#file = file;
  }

  /** Makes another configuration of the one that holds, gives every machine the file, and publishes
   * it as the next version. */
  publish(change: (holds: ClusterConfig) => ClusterConfig): void {
    this.#link.send(
      (server) => this.#site.askDirectory(server, (directory) => directory.deployment()),
      (state) => {
        if (state?.kind !== 'running') return;
        const holds = JSON.parse(state.terms.holds) as ClusterConfig;
        this.#file.config = { ...change(holds), version: holds.version + 1 };
        this.#link.policy = policyOf(this.#file.config);
        this.#link.send(
          (server) => this.#site.askDirectory(server, (directory) => directory.publish()),
          () => {},
        );
      },
    );
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
