// Checksum and segmentation offloads of a node's links. veth receivers don't verify checksums that
// the sender left to the hardware, so a wrong one hides until the sender computes it in full.
import { spawn } from 'node:child_process';
import { LabError } from './errors.ts';
import { ip } from './ip.ts';
import { findOnPath, labEnvironment } from './paths.ts';

const features = ['tx', 'tso', 'gso', 'gro'];

async function deviceNames(namespace: string): Promise<string[]> {
  const text = await ip(['-n', namespace, '-json', 'link', 'show', 'type', 'veth']);
  return (JSON.parse(text || '[]') as { ifname: string }[]).map((link) => link.ifname);
}

function ethtool(namespace: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('ip', ['netns', 'exec', namespace, 'ethtool', ...args], {
      env: labEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new LabError('LAB_FAILED', `ethtool ${args.join(' ')}: ${complaint.trim()}`));
    });
  });
}

/** Applies to every veth end in the namespace; throws LAB_REQUIREMENT without ethtool. */
export async function setOffload(namespace: string, to: 'on' | 'off'): Promise<void> {
  if (!findOnPath('ethtool')) {
    throw new LabError('LAB_REQUIREMENT', 'offload needs ethtool; install it');
  }
  const settings = features.flatMap((feature) => [feature, to]);
  for (const device of await deviceNames(namespace)) {
    await ethtool(namespace, ['-K', device, ...settings]);
  }
}
