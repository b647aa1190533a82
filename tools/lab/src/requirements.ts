// What the lab can't do without; each missing thing is one clear line.
import { LabError } from './errors.ts';
import { findOnPath } from './paths.ts';

export function checkRequirements(
  platform: string = process.platform,
  uid: number | undefined = process.getuid?.(),
  find: (name: string) => string | undefined = findOnPath,
): void {
  const refuse = (text: string): never => {
    throw new LabError('LAB_REQUIREMENT', `the lab needs ${text}`);
  };
  if (platform !== 'linux') refuse(`Linux (network namespaces); this is ${platform}`);
  if (uid !== 0) refuse('root (network namespaces); run it as root, for example with sudo');
  if (!find('ip')) refuse('iproute2; install it (Debian: apt-get install iproute2)');
}
