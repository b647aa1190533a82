/**
 * What forwarding costs: 60-byte frames flooded through the test forwarder, then one TCP stream
 * (where iperf3 is installed). Needs root; takes about ten seconds; own namespaces only.
 *
 *   node packages/packet-io/src/forward.bench.ts
 */
import { execFileSync } from 'node:child_process';
import type { ForwarderReport } from './testing/forwarder.ts';
import { type Program, TestNetwork, whyNoNamespaces } from './testing/namespaces.ts';

const FLOOD_SECONDS = 3;
const TCP_SECONDS = 3;
const FLOWS = 1000;

const reason = whyNoNamespaces();
if (reason !== undefined) throw new Error(reason);
const network = new TestNetwork();
try {
  const forwarder = network.start('r', 'forwarder.ts', 'r0', 'r1');
  await forwarder.answer();
  // The flood ends at a MAC that is nobody's: the receiving host's own stack is not the subject.
  const sink = ['198.19.0.3', 'dev', 'r1', 'lladdr', '02:00:00:00:00:03'];
  network.ip('r', 'neigh', 'replace', ...sink);
  await flood(forwarder);
  await tcp(forwarder);
} finally {
  network.close();
}

async function flood(forwarder: Program): Promise<void> {
  const from = ['a0', '198.18.0.2', '198.19.0.3', network.mac('r', 'r0')];
  const before = await forwarder.ask<ForwarderReport>('report');
  const generator = network.start('a', 'flood.ts', ...from, `${FLOOD_SECONDS}`, `${FLOWS}`);
  const { sent, ms } = await generator.answer<{ sent: number; ms: number }>();
  const after = await forwarder.ask<ForwarderReport>('report');
  const forwarded = after.wires.r1.txFrames - before.wires.r1.txFrames;
  const userNs = ((after.userMs - before.userMs) * 1e6) / forwarded;
  const systemNs = ((after.systemMs - before.systemMs) * 1e6) / forwarded;
  print('flood', {
    offeredMpps: sent / ms / 1000,
    forwardedMpps: forwarded / ms / 1000,
    userNsPerFrame: userNs,
    systemNsPerFrame: systemNs,
    dropped: after.wires.r0.rxDropped,
    txErrors: after.wires.r1.txErrors,
  });
}

async function tcp(forwarder: Program): Promise<void> {
  const inside = (node: string, ...args: string[]) => [
    'netns',
    'exec',
    network.name(node),
    ...args,
  ];
  try {
    execFileSync('ip', inside('b', 'iperf3', '-s', '-D', '-1'), { stdio: 'pipe' });
  } catch {
    return print('tcp', { skipped: 1 });
  }
  const client = inside('a', 'iperf3', '-c', '198.19.0.2', '-t', `${TCP_SECONDS}`, '-J');
  const result = JSON.parse(execFileSync('ip', client, { encoding: 'utf8', timeout: 20_000 }));
  const report = await forwarder.ask<ForwarderReport>('report');
  print('tcp', {
    gbitPerSecond: result.end.sum_received.bits_per_second / 1e9,
    retransmits: result.end.sum_sent.retransmits,
    largestFrame: report.largestFrame,
  });
}

function print(what: string, figures: Record<string, number>): void {
  const text = Object.entries(figures).map(([name, value]) => `${name} ${+value.toFixed(3)}`);
  process.stdout.write(`${what.padEnd(8)}${text.join('   ')}\n`);
}
