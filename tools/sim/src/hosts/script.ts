/** What a conversation will be: drawn whole when it begins, its course needs no further draw. */
import { type ClusterConfig, slackMs } from '@flowstore/flow';
import { ICMP, TCP } from '../packet.ts';
import type { Traffic } from '../plan.ts';
import type { Random } from '../random.ts';

export const Ending = {
  /** FIN from the client, and FIN back. */
  Close: 0,
  /** FIN from the client; the server talks on for a while. */
  HalfClose: 1,
  Abort: 2,
  ServerAbort: 3,
  /** Nobody says anything any more. */
  Vanish: 4,
} as const;
export type Ending = (typeof Ending)[keyof typeof Ending];

export interface Script {
  readonly talk: number;
  readonly protocol: number;
  readonly inside: number;
  readonly insidePort: number;
  /** Several for UDP (endpoint-independent mapping), one for TCP and ICMP. */
  readonly remotes: readonly { readonly address: number; readonly port: number }[];
  /** Waits before each message. */
  readonly gapsMs: readonly number[];
  /** What the remote host sends of its own accord: how long after a message. */
  readonly pushMs: number | null;
  readonly ending: Ending;
}

export function drawGaps(
  random: Random,
  protocol: number,
  traffic: Traffic,
  config: ClusterConfig,
): number[] {
  const count = 1 + random.below(traffic.messagesMax);
  return Array.from({ length: count }, () => {
    if (random.chance(traffic.edgeShare)) return edgeMs(random, protocol, config);
    if (random.chance(0.15)) return random.between(0.1, 1.1) * config.cacheLeaseMs;
    return random.chance(0.5) ? random.between(5, 300) : random.between(300, 4_000);
  });
}

/** Just before, or just after, something ends: 299 s and 301 s. */
export function edgeMs(random: Random, protocol: number, config: ClusterConfig): number {
  const { timeouts, slack, cacheLeaseMs, quarantineMs } = config;
  const timeout =
    protocol === ICMP
      ? timeouts.icmpMs
      : protocol === TCP
        ? random.pick([timeouts.tcpEstablishedMs, timeouts.tcpTransitoryMs])
        : timeouts.udpMs;
  const lifeMs = timeout + slackMs(slack, timeout);
  const ends = [timeout, timeout, lifeMs, lifeMs, cacheLeaseMs, quarantineMs];
  return random.pick(ends) * random.pick([0.98, 1.005]);
}

export function drawEnding(random: Random): Ending {
  const draw = random.float();
  if (draw < 0.45) return Ending.Close;
  if (draw < 0.6) return Ending.HalfClose;
  if (draw < 0.75) return Ending.Abort;
  return draw < 0.85 ? Ending.ServerAbort : Ending.Vanish;
}
