/** What the reaper's command line does. */
import type { Release } from '@flowstore/flow-store';
import { createLogger, ENV_PREFIX, loadConfig, readVersion, runService } from '@flowstore/service';
import { Command } from 'commander';
import { reaperSchema } from './config.ts';
import { startReaper } from './reaper.ts';

const version = readVersion(new URL('../package.json', import.meta.url));

/** `release`: of tests, another one than this. */
export function runReaper(release: { readonly release?: Release } = {}): Promise<void> {
  const { config: file } = new Command('reaper')
    .description('Drains stale flows from a flow store.')
    .option('--config <file>', 'YAML or JSON; without it, FLOWSTORE_* variables say everything')
    .version(version)
    .parse()
    .opts<{ config?: string }>();
  const run = async () => {
    const config = loadConfig(reaperSchema, { file, env: process.env, envPrefix: ENV_PREFIX });
    const log = createLogger({ name: 'reaper', level: config.log.level });
    return startReaper({ config, version, log, ...release });
  };
  return runService(run, { name: 'reaper' });
}
