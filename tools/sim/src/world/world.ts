/**
 * The world of one seed: hosts, routers, gateways, store and reaper on one clock, and the witness
 * that watches all of them.
 *
 * ```
 *   inside hosts -- LAN router ==> boxes (GatewayCore) ==> WAN router -- outside hosts
 *                                    | links (latency, loss, lateness)
 *                                  store site (ModelServer, master and others) <-- reaper, operator
 * ```
 */
import type { ModelServer } from '@flowstore/flow-store/testing';
import { DEFAULT_POLICIES } from '@flowstore/gateway-core';
import { DeliveryChecker } from '../checkers/deliveries.ts';
import { InsideHosts } from '../hosts/inside-hosts.ts';
import { RemoteHosts } from '../hosts/remote-hosts.ts';
import { Workload } from '../hosts/workload.ts';
import type { Log } from '../log.ts';
import { HONEST, type Mutant } from '../mutants.ts';
import type { Plan } from '../plan.ts';
import { Random } from '../random.ts';
import { Timeline } from '../timeline.ts';
import { GatewayBox } from './gateway-box.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';
import { PeerLinks } from './peer-links.ts';
import { type ConfigFile, policyOf } from './policy.ts';
import { Reaper } from './reaper.ts';
import { calm, StoreLink, type Weather } from './store-link.ts';
import { StoreSite } from './store-site.ts';
import { Witness } from './witness.ts';

export class World {
  readonly plan: Plan;
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly log: Log;
  readonly witness: Witness;
  readonly network: Network;
  readonly site: StoreSite;
  /** The weather of every connection to the store. */
  readonly weather: Weather = calm();
  readonly peers: PeerLinks;
  readonly file: ConfigFile;
  readonly boxes: readonly GatewayBox[];
  readonly reaper: Reaper;
  readonly operator: Operator;
  readonly inside: InsideHosts;
  readonly remote: RemoteHosts;
  readonly workload: Workload;

  constructor(plan: Plan, log: Log, mutant: Mutant = HONEST) {
    this.plan = plan;
    this.log = log;
    const { timeline } = this;
    const { config, seed } = plan;
    this.file = { config };
    this.random = new Random(seed, 'world');
    const { random } = this;
    this.witness = new Witness(plan, timeline, log);
    const { witness } = this;
    this.network = new Network(timeline, random.fork('network'));
    this.site = new StoreSite({
      timeline,
      random: random.fork('site'),
      config,
      serverConfig: mutant.serverConfig ?? ((one) => one),
      witness,
      execute: mutant.newExecute?.() ?? ((_server, _operation, request, run) => run(request)),
    });
    witness.translations.inGrace = (shard) => this.site.inGrace(shard);
    this.peers = new PeerLinks(timeline, random.fork('peers'), mutant.peerTamper);
    this.boxes = this.#newBoxes(mutant);
    this.network.gateways = this.boxes;
    this.peers.gateways = this.boxes;
    witness.outages.isCalm = () => this.peers.isCalm && this.boxes.every((box) => box.isServing);
    const link = this.#newLink('reaper');
    const { site } = this;
    const goesByOne = mutant.goesByOne ?? false;
    const everyMs = plan.sweepEveryMs;
    this.reaper = new Reaper({ timeline, site, link, config, goesByOne, everyMs });
    const operatorLink = this.#newLink('operator');
    this.operator = new Operator({
      random: random.fork('operator'),
      link: operatorLink,
      site,
      witness,
      file: this.file,
    });
    const { traffic } = plan;
    this.workload = new Workload({ timeline, random: random.fork('workload'), traffic, config });
    const { scripts } = this.workload;
    const deliveries = new DeliveryChecker(witness.checks, config, () => timeline.nowMs);
    const onOver = this.workload.over.bind(this.workload);
    const shared = { timeline, log, network: this.network, deliveries };
    this.inside = new InsideHosts({ ...shared, onOver });
    this.remote = new RemoteHosts({ ...shared, scripts });
    this.network.hosts = [this.inside, this.remote];
    this.workload.hosts = this.inside;
  }

  start(): void {
    for (const box of this.boxes) box.start();
    this.reaper.start();
    this.workload.start();
  }

  /** No more traffic from now on, and all gateways are there to clear up. */
  silence(): void {
    this.workload.stop();
    this.inside.stop();
    this.remote.stop();
    for (const box of this.boxes) {
      box.rest();
      if (box.life === null) box.start();
    }
  }

  /** The god's eye on what is stored. */
  counts(): ReturnType<ModelServer['counts']> {
    return this.site.master.model.counts();
  }

  #newBoxes(mutant: Mutant): GatewayBox[] {
    const { timeline, random, log, plan, site, network, peers, witness } = this;
    return Array.from({ length: plan.gateways }, (_, index) => {
      return new GatewayBox({
        index,
        timeline,
        random: random.fork(`gateway ${index}`),
        log,
        file: this.file,
        coreConfig: mutant.coreConfig ?? ((config) => config),
        goesByOne: mutant.goesByOne ?? false,
        limits: { ...plan.limits, ...mutant.limits },
        policies: mutant.policies ?? DEFAULT_POLICIES,
        tickMs: plan.tickMs,
        link: this.#newLink(`gateway ${index}`),
        site,
        network,
        peers,
        witness,
        newTamper: () => mutant.newTamper?.(plan.config) ?? null,
        clockStops: mutant.clockStops ?? false,
      });
    });
  }

  #newLink(name: string): StoreLink {
    const { timeline, site } = this;
    const random = this.random.fork(`link ${name}`);
    const policy = policyOf(this.plan.config);
    const weather = { weather: calm(), everywhere: this.weather };
    return new StoreLink({ timeline, random, site, policy, ...weather });
  }
}
