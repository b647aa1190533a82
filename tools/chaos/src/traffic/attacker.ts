/**
 * A host that sends what nobody should: SYNs by the thousand, packets of others, fragments that
 * never become a datagram, ICMP errors about packets that never were.
 *
 *   node attacker.ts --side inside|outside --packets-per-s N --seconds S --seed N
 *
 * Nothing is sent to those whose flows a run watches: the far ends are addresses of nobody.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ICMP, TCP, UDP } from '@flowstore/flow';
import { buildError, buildPacket, fragmentOf } from '@flowstore/nat/testing';
import { Random } from '@flowstore/sim/random';
import { openRawLink } from './raw-link.ts';

const SECONDS_MAX = 30;
const PACKETS_PER_S_MAX = 20_000;
const TICK_MS = 10;
const SYN = 0x02;
/** Of the servers' network: nobody's. */
const NOBODY = '198.51.100.77';
const UNREACHABLE = 3;
const PORT_UNREACHABLE = 3;

const { values } = parseArgs({
  options: {
    side: { type: 'string', default: 'inside' },
    'packets-per-s': { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
});
const isInside = values.side === 'inside';
const packetsPerS = Math.min(Number(values['packets-per-s']), PACKETS_PER_S_MAX);
const seconds = Math.min(Number(values.seconds), SECONDS_MAX);
const random = new Random(Number(values.seed), `attacker ${values.side}`);

const port = () => 1_024 + random.below(64_512);
const pooled = () => `203.0.113.${random.below(16)}`;
/** Of the served network one of many, so that no subscriber's share bounds them all; or of none. */
const spoofed = () =>
  random.chance(0.9)
    ? `198.18.${2 + random.below(90)}.${1 + random.below(254)}`
    : `192.0.2.${random.below(256)}`;

/** From here, and where the packets go. */
const from = () => (isInside ? spoofed() : NOBODY);
const to = () => (isInside ? NOBODY : pooled());
const ends = (protocol: number) => ({
  protocol,
  from: from(),
  fromPort: port(),
  to: to(),
  toPort: port(),
});

const syn = () => buildPacket({ ...ends(TCP), tcpFlags: SYN });

/** The first without the rest, the rest without a first, or one that is cut within its headers. */
function fragment(): Uint8Array {
  const payload = new Uint8Array(200).fill(random.below(256));
  const identification = random.below(65_536);
  const whole = buildPacket({ ...ends(UDP), payload, identification, fragment: 0 });
  const begin = 8 * random.below(4);
  return fragmentOf(whole, begin, begin + 8 * (1 + random.below(10)));
}

/** About a packet that the other side never sent. */
function inventedError(): Uint8Array {
  const protocol = [TCP, UDP, ICMP][random.below(3)]!;
  const sent = { ...ends(protocol), payload: new Uint8Array(16) };
  const back = { from: sent.to, fromPort: sent.toPort, to: sent.from, toPort: sent.fromPort };
  const about = buildPacket({ ...sent, ...back });
  const error = { type: UNREACHABLE, code: PORT_UNREACHABLE, word: 0, about, keep: 16 };
  return buildError({ from: sent.from, to: sent.to, ...error });
}

const KINDS = [syn, syn, fragment, inventedError];

const link = openRawLink(isInside ? '198.18.1.1' : '198.51.100.1');
const startMs = performance.now();
let sent = 0;
for (let passedMs = 0; passedMs < seconds * 1_000; passedMs = performance.now() - startMs) {
  for (const due = (packetsPerS * passedMs) / 1_000; sent < due; sent++) {
    link.send(KINDS[random.below(KINDS.length)]!());
  }
  link.wire.flush();
  await sleep(TICK_MS);
}
process.stdout.write(`${JSON.stringify({ event: 'summary', sent, ...link.wire.counters })}\n`);
link.wire.close();
process.exit();
