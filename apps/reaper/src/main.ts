/** The reaper's program: `node apps/reaper/src/main.ts --config FILE`. */
import { createLogger, ENV_PREFIX, loadConfig, readVersion, runService } from '@flowstore/service';
import { Command } from 'commander';
import { reaperSchema } from './config.ts';
import { startReaper } from './reaper.ts';

const version = readVersion(new URL('../package.json', import.meta.url));

const { config: file } = new Command('reaper')
  .description('Drains stale flows from a flow store.')
  .option('--config <file>', 'YAML or JSON; without it, FLOWSTORE_* variables say everything')
  .version(version)
  .parse()
  .opts<{ config?: string }>();

void runService(
  async () => {
    const config = loadConfig(reaperSchema, { file, env: process.env, envPrefix: ENV_PREFIX });
    const log = createLogger({ name: 'reaper', level: config.log.level });
    return startReaper({ config, version, log });
  },
  { name: 'reaper' },
);
