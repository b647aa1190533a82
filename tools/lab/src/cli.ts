// The command line: arguments in, an exit code out.
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { readConfig } from './config.ts';
import { LabError } from './errors.ts';
import { Lab } from './lab.ts';
import { type GatewayLink, gatewayLinks } from './links.ts';
import { gatewaysDefault, gatewaysMax } from './plan.ts';
import { checkRequirements } from './requirements.ts';
import { describeStatus } from './status.ts';
import type { StoreAction } from './store-control.ts';
import { type StoreKind, storeKinds } from './store-plan.ts';

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGTERM: 15,
};

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > gatewaysMax) {
    throw new InvalidArgumentError(`It must be a whole number 1..${gatewaysMax}.`);
  }
  return value;
}

function oneOf<T extends string>(...allowed: T[]): (text: string) => T {
  return (text) => {
    if ((allowed as string[]).includes(text)) return text as T;
    throw new InvalidArgumentError(`It must be one of ${allowed.join(', ')}.`);
  };
}

/** Runs a command in a namespace on this terminal; its exit code is ours. */
function passThrough(lab: Lab, node: string, command: string[], signal: AbortSignal) {
  const [name, ...args] = (command[0] === '--' ? command.slice(1) : command) as [string];
  const child = lab.spawn(node, name, args, { stdio: 'inherit' });
  signal.addEventListener('abort', () => child.kill(signal.reason as NodeJS.Signals));
  return new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, end) => resolve(code ?? 128 + ((end && signalNumbers[end]) || 0)));
  });
}

type UpArguments = {
  gateways: number;
  config?: string;
  store: StoreKind;
  networkOnly?: boolean;
};
type Context = { lab: Lab; signal: AbortSignal; setExitCode: (code: number) => void };

function addLifeCommands(program: Command, { lab, signal }: Context): void {
  program
    .command('up')
    .description('build the network and start everything; returns when every gateway is ready')
    .option('--gateways <n>', `how many, 1..${gatewaysMax}`, count, gatewaysDefault)
    .option('--config <file>', 'YAML or JSON with gateway, reaper, cluster: laid over the default')
    .option('--store <kind>', `${storeKinds.join(', ')}`, oneOf(...storeKinds), 'single')
    .option('--network-only', 'no gateways or reapers run; the network, its routes and the store')
    .action(async (options: UpArguments) => {
      const { gateways, networkOnly, store: storeKind } = options;
      const config = options.config === undefined ? {} : readConfig(options.config);
      const apps = networkOnly ? ({ apps: 'none' } as const) : {};
      await lab.up({ gateways, config, signal, storeKind, ...apps });
    });
  program
    .command('down')
    .description('end everything and leave nothing behind')
    .action(async () => {
      await lab.down();
    });
  program
    .command('status')
    .description('what is up')
    .option('--json', 'for programs')
    .action(async (options: { json?: boolean }) => {
      const status = await lab.status();
      console.log(options.json ? JSON.stringify(status) : describeStatus(status));
    });
}

function addGatewayCommands(program: Command, { lab, signal }: Context): void {
  program
    .command('kill <gateway>')
    .description('SIGKILL a gateway; both routers drop it at once')
    .option('--keep-route', 'the routers go on sending it traffic')
    .action((gateway: string, options: { keepRoute?: boolean }) => lab.kill(gateway, options));
  program
    .command('start <gateway>')
    .description('start a gateway; its routes return once it is ready')
    .action((gateway: string) => lab.start(gateway, { signal }));
  program
    .command('route')
    .argument('<gateway>')
    .argument('<off|on>', '', oneOf('off', 'on'))
    .description('take a gateway out of both routers, or put it back')
    .action((gateway: string, to: 'off' | 'on') => lab.route(gateway, to));
  program
    .command('pause <program>')
    .description('SIGSTOP a gateway or a reaper; its routes stay')
    .action((name: string) => lab.signal(name, 'pause'));
  program
    .command('resume <program>')
    .description('SIGCONT it')
    .action((name: string) => lab.signal(name, 'resume'));
  program
    .command('link')
    .argument('<gateway>')
    .argument('<link>', gatewayLinks.join(', '), oneOf(...gatewayLinks))
    .argument('<down|up>', '', oneOf('down', 'up'))
    .description('cut one of a gateway’s links at the far end, or mend it')
    .action((name: string, link: GatewayLink, to: 'down' | 'up') => lab.link(name, link, to));
}

function addOtherCommands(program: Command, { lab, signal, setExitCode }: Context): void {
  program
    .command('exec <node> <command...>')
    .description('run a command in a namespace: exec client1 -- ping -c 1 198.51.100.10')
    .passThroughOptions()
    .action(async (node: string, command: string[]) => {
      if (command.join() === '--') throw new LabError('LAB_USAGE', 'exec: no command given');
      setExitCode(await passThrough(lab, node, command, signal));
    });
  program
    .command('store')
    .argument('<stop|start|pause|resume>', '', oneOf('stop', 'start', 'pause', 'resume'))
    .description('stop loses all data, start gives an empty server, pause and resume keep it')
    .option('--server <name>', 'one of its servers alone (lab status lists them)')
    .option('--keep', 'with --server: start it with what it has on disk')
    .action(async (action: StoreAction, options: { server?: string; keep?: boolean }) => {
      const { server, keep = false } = options;
      await (server === undefined ? lab.store(action) : lab.server(server, action, { keep }));
    });
}

/** Answers a function that runs one command line and answers its exit code. */
export function buildProgram(signal: AbortSignal): (args: readonly string[]) => Promise<number> {
  let exitCode = 0;
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  const lab = new Lab({ log: (line) => console.error(`lab: ${line}`) });
  const program = new Command('lab')
    .description('a network of namespaces: clients, ECMP routers, NAT gateways, servers')
    .exitOverride()
    .enablePositionalOptions()
    .hook('preAction', () => checkRequirements());
  const context = { lab, signal, setExitCode };
  addLifeCommands(program, context);
  addGatewayCommands(program, context);
  addOtherCommands(program, context);

  return async (args) => {
    try {
      await program.parseAsync(args, { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      // Commander has said what was wrong; asking for help is no error.
      return error.exitCode === 0 ? 0 : usageExitCode;
    }
    return exitCode;
  };
}

const usageExitCode = new LabError('LAB_USAGE', '').exitCode;
