/** What the scripts need of the cluster configuration, as the packed ARGV[1] of every call. */
import {
  type ClusterConfig,
  ICMP,
  IN_DATA,
  IN_FIN,
  OUT_DATA,
  OUT_FIN,
  RECORD_LAYOUT,
  silenceMs,
  slackMs,
  TCP,
  timeoutMs,
  UDP,
} from '@flowstore/flow';
import { feedKeepMs } from '../contract.ts';
import { ByteWriter } from './bytes.ts';

/** Throws a RangeError where a figure does not fit into 32 bits (about 49 days in ms). */
export function packPolicy(config: ClusterConfig, layout = RECORD_LAYOUT): Buffer {
  const { slack, quarantineMs, leaseMs, ttlMarginMs, flowsPerEndpointMax } = config;
  const lifeMs = (protocol: number, flags: number) => {
    const timeout = timeoutMs(config.timeouts, protocol, { flags, seenMs: 0, rstMs: 0 });
    return timeout + slackMs(slack, timeout);
  };
  const figures = [
    lifeMs(TCP, OUT_DATA | IN_DATA),
    lifeMs(TCP, 0),
    lifeMs(UDP, 0),
    lifeMs(ICMP, 0),
    quarantineMs + slack.clockSkewMs,
    leaseMs,
    ttlMarginMs,
    flowsPerEndpointMax,
    feedKeepMs(config),
    silenceMs(config),
    config.bindingsPerSubscriberMax,
    layout,
    lifeMs(TCP, OUT_FIN | IN_FIN),
    config.version,
  ];
  const writer = new ByteWriter();
  for (const figure of figures) {
    if (!Number.isInteger(figure)) throw new RangeError(`${figure} is not a whole number`);
    writer.u32(figure);
  }
  return writer.done();
}
