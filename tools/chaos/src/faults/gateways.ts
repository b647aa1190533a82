/** Gateways that die, stand still, lose their links, change their routes, or are replaced. */
import type { GatewayLink } from '@flowstore/lab';
import { LabError, waitFor } from '@flowstore/lab';
import { type Fault, gatewayOf, NOTICED_MS, type Stage, TAKE_OVER_MS } from './fault.ts';

const READY_MS_MAX = 60_000;
const MOVES = { stalls: true, refuses: true, reroutes: true } as const;

/**
 * What was published just before the store lost its data is lost with it where a gateway that had
 * not heard of it writes the former version back: one that comes with the later one is refused
 * until it is published again.
 */
async function startAgain(stage: Stage, name: string, program?: string): Promise<void> {
  const { lab, log, windows } = stage;
  const start = () => lab.start(name, program === undefined ? {} : { program });
  await start().catch(async (error) => {
    const refused = error instanceof LabError && error.message.includes('cluster.version: differs');
    if (!refused) throw error;
    log(`${name} comes with a configuration that the store lost: it is published again`);
    await lab.publishAgain();
    await start();
  });
  windows.open(`${name} is back`, { reroutes: true }).end();
}

/** Once it says that it is ready: routers ask no more of it. */
async function routeAgain({ lab, windows }: Stage, name: string): Promise<void> {
  const ready = async () => {
    const { gateways } = await lab.status();
    return gateways.some((each) => each.name === name && /ready|routed-off/.test(each.state));
  };
  await waitFor(`${name} to be ready`, ready, READY_MS_MAX, { everyMs: 200 });
  await lab.route(name, 'on');
  windows.open(`${name} is back`, { reroutes: true }).end();
}

/** SIGKILL. The routers notice at once, or (variant) as late as BFD does. */
export const gatewayKill: Fault = async (stage, step) => {
  const { lab, windows, sleep } = stage;
  const name = gatewayOf(step);
  const window = windows.open(`${name} killed`, { ...MOVES, kills: true });
  await lab.kill(name, { keepRoute: step.variant });
  if (step.variant) {
    await sleep(NOTICED_MS);
    await lab.route(name, 'off');
  }
  window.end(TAKE_OVER_MS);
  await sleep(step.lastsMs);
  await startAgain(stage, name);
};

/** SIGSTOP, for longer than its cache lease by chance; what it had in hand it sends afterwards. */
export const gatewayStop: Fault = async (stage, step) => {
  const { lab, windows, sleep } = stage;
  const name = gatewayOf(step);
  const window = windows.open(`${name} stopped`, MOVES);
  await lab.signal(name, 'pause');
  await sleep(NOTICED_MS);
  await lab.route(name, 'off');
  window.end(TAKE_OVER_MS);
  await sleep(step.lastsMs);
  await lab.signal(name, 'resume');
  await routeAgain(stage, name);
};

/** A cable is pulled: the router on that side knows at once, the other one soon. */
export const linkDown: Fault = async (stage, step) => {
  const { lab, windows, sleep } = stage;
  const name = gatewayOf(step);
  const link: GatewayLink = step.variant ? 'inside' : 'outside';
  const window = windows.open(`${name}'s ${link} link down`, MOVES);
  await lab.link(name, link, 'down');
  await lab.route(name, 'off');
  window.end(TAKE_OVER_MS);
  await sleep(step.lastsMs);
  await lab.link(name, link, 'up');
  // A link that comes up carries a little later: the router can't route over it before.
  await sleep(1_000);
  await routeAgain(stage, name);
};

/**
 * The store is away for one gateway only, and so are the others: it can't look up what it does not
 * know, so new flows whose packets it gets fail; known ones stop at the end of its cache lease.
 */
export const cutOff: Fault = async (stage, step) => {
  const { lab, windows, figures, sleep } = stage;
  const name = gatewayOf(step);
  const window = windows.open(`${name} cut off`, { refuses: true, loses: true, storeAway: true });
  await lab.link(name, 'mgmt', 'down');
  // A heartbeat that was under way counts from when it was sent.
  const leaseMs = figures.cacheLeaseMs - 2 * figures.heartbeatMs;
  await sleep(Math.min(step.lastsMs, leaseMs));
  const held = step.lastsMs > leaseMs ? windows.open(`${name} holds`, { stalls: true }) : null;
  await sleep(Math.max(0, step.lastsMs - leaseMs));
  await lab.link(name, 'mgmt', 'up');
  // Until a call was answered again and the feeds are read.
  held?.end(2 * figures.heartbeatMs + TAKE_OVER_MS);
  window.end(2 * figures.heartbeatMs + TAKE_OVER_MS);
};

/** Every second all of its flows go over the others, or back. */
export const routeFlap: Fault = async ({ lab, windows, sleep }, step) => {
  const name = gatewayOf(step);
  const window = windows.open(`${name}'s routes flap`, { reroutes: true });
  for (let k = 0; k < step.lastsMs / 2_000; k++) {
    await lab.route(name, 'off');
    await sleep(1_000);
    await lab.route(name, 'on');
    await sleep(1_000);
  }
  window.end();
};

/** The gateway of the release before, which began with all others, is replaced by this one. */
export const upgrade: Fault = async (stage, step) => {
  const name = 'gw1';
  const window = stage.windows.open(`${name} upgraded`, { ...MOVES, kills: true });
  await stage.lab.kill(name);
  window.end(TAKE_OVER_MS);
  await stage.sleep(step.lastsMs);
  await startAgain(stage, name, stage.nextProgram);
};
