/** What a fault has in hand, and what it is. */
import type { Lab } from '@flowstore/lab';
import type { Figures } from '../figures.ts';
import type { Step } from '../plan.ts';
import type { StoreAdmin } from '../store-admin.ts';
import type { Windows } from '../windows.ts';

export interface Stage {
  readonly lab: Lab;
  readonly admin: StoreAdmin;
  readonly windows: Windows;
  readonly figures: Figures;
  /** Where the gateways' session logs are: a disk of its own, and small. */
  readonly logFolder: string;
  /** What an upgraded gateway runs. */
  readonly nextProgram: string;
  readonly log: (line: string) => void;
  /** Lets time pass, or rejects when the run is over. */
  sleep(ms: number): Promise<void>;
}

/** Does it, mends it, and resolves once all runs again; opens the windows that explain it. */
export type Fault = (stage: Stage, step: Step) => Promise<void>;

/** How long routers take to notice a gateway that is gone (BFD). */
export const NOTICED_MS = 100;
/** What a burst of questions for flows that moved may take on a busy machine. */
export const TAKE_OVER_MS = 1_500;
/** How long new flows may fail after an outage: all want ports to be leased, and at once. */
export const backMs = ({ heartbeatMs }: Figures): number => 2 * heartbeatMs + 8_000;
export const gatewayOf = ({ target }: Step): string => `gw${target + 1}`;
