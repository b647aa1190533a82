/**
 * I2 once more, from the hosts' side: a packet's payload names whom it is meant for, and hosts tell
 * when they get what was meant for somebody else. An outside endpoint may change hands, but not
 * within the quarantine; whoever spoke to its last holder so lately must not reach the next one.
 */
import type { ClusterConfig } from '@flowstore/flow';
import { endpointKey, formatEndpoint } from '../keys.ts';
import type { Header, Tag } from '../packet.ts';
import type { Checks } from './checks.ts';

interface Heard {
  readonly inside: number;
  readonly insidePort: number;
  readonly atMs: number;
}

export class DeliveryChecker {
  readonly #checks: Checks;
  readonly #nowMs: () => number;
  /** A cancelled binding is used on for a cache lease, while its quarantine runs. */
  readonly #apartMs: number;
  readonly #heard = new Map<number, Heard>();

  constructor(checks: Checks, config: ClusterConfig, nowMs: () => number) {
    this.#checks = checks;
    this.#nowMs = nowMs;
    this.#apartMs = (config.quarantineMs - config.cacheLeaseMs) * 0.8;
  }

  toRemote({ protocol, source, sourcePort }: Header, { inside, insidePort }: Tag): void {
    const nowMs = this.#nowMs();
    const key = endpointKey(protocol, source, sourcePort);
    const before = this.#heard.get(key);
    this.#heard.set(key, { inside, insidePort, atMs: nowMs });
    const same = before?.inside === inside && before.insidePort === insidePort;
    const holds = before === undefined || same || nowMs - before.atMs >= this.#apartMs;
    this.#checks.check('I2', holds, () => {
      const text = formatEndpoint(source, sourcePort);
      const apartMs = (nowMs - before!.atMs).toFixed(0);
      return `remote hosts hear two inside endpoints from ${text} within ${apartMs} ms`;
    });
  }

  toInside({ destination, destinationPort }: Header, tag: Tag): void {
    const mine = tag.inside === destination && tag.insidePort === destinationPort;
    const agoMs = this.#nowMs() - tag.heardMs;
    this.#checks.check('I2', mine || agoMs >= this.#apartMs, () => {
      const meant = formatEndpoint(tag.inside, tag.insidePort);
      const got = formatEndpoint(destination, destinationPort);
      return `${got} got a packet that was meant for ${meant}, heard ${agoMs.toFixed(0)} ms ago`;
    });
  }
}
