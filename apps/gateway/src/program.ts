/** What the gateway's command line does. */
import type { Release } from '@flowstore/flow-store';
import { createLogger, ENV_PREFIX, loadConfig, readVersion, runService } from '@flowstore/service';
import { Command } from 'commander';
import { gatewaySchema } from './config.ts';
import { startGateway } from './gateway.ts';
import { initialise } from './initialise.ts';
import { publish } from './publish.ts';

const version = readVersion(new URL('../package.json', import.meta.url));

/** `release`: of tests, another one than this. */
export function runGateway(release: { readonly release?: Release } = {}): Promise<void> {
  const { config: file, init, publish: publishes } = readArguments();
  const run = async () => {
    const config = loadConfig(gatewaySchema, { file, env: process.env, envPrefix: ENV_PREFIX });
    const tell = (text: string) =>
      process.stdout.write(text.replace(/^/gm, 'gateway: ').concat('\n'));
    if (init) {
      const written = await initialise(config, { tell, ...release });
      tell(written ? 'cluster configuration written' : 'a configuration is stored already');
      process.exit(0);
    }
    if (publishes) {
      process.exit((await publish(config, tell)) ? 0 : 1);
    }
    const log = createLogger({ name: config.name, level: config.log.level });
    const onFatal = () => process.exit(1);
    return startGateway({ config, version, log, onFatal, ...release });
  };
  return runService(run, { name: 'gateway' });
}

function readArguments() {
  return new Command('gateway')
    .description('A NAT gateway whose flows any other gateway of the deployment can carry on.')
    .option('--config <file>', 'YAML or JSON; without it, FLOWSTORE_* variables say everything')
    .option(
      '--init',
      'write the cluster configuration of a new deployment into the store, and exit',
    )
    .option(
      '--publish',
      'make the cluster configuration the next of a deployment that runs, and wait until it holds',
    )
    .version(version)
    .parse()
    .opts<{ config?: string; init?: boolean; publish?: boolean }>();
}
