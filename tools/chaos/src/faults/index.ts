import type { FaultKind } from '../plan.ts';
import type { Fault } from './fault.ts';
import { flood } from './flood.ts';
import { garbage } from './garbage.ts';
import { cutOff, gatewayKill, gatewayStop, linkDown, routeFlap, upgrade } from './gateways.ts';
import { diskFull, publish, reaperKill, reaperStop } from './others.ts';
import {
  oldMaster,
  storeFailover,
  storePause,
  storeRestartEmpty,
  storeRestartOld,
} from './store.ts';

export const FAULTS: Readonly<Record<FaultKind, Fault>> = {
  gatewayKill,
  gatewayStop,
  linkDown,
  cutOff,
  routeFlap,
  storePause,
  storeRestartEmpty,
  storeRestartOld,
  storeFailover,
  oldMaster,
  reaperKill,
  reaperStop,
  publish,
  upgrade,
  garbage,
  flood,
  diskFull,
};
