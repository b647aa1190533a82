/** I8, bounded: every gauge of a core stays within its limit, and so does every call it makes. */
import type { GatewayCore, GatewayLimits, StoreCall } from '@flowstore/gateway-core';
import type { Life } from '../world/life.ts';
import type { Checks } from './checks.ts';

/** A table may hold 1/64 more for flows whose binding is active already. */
const RESERVE = 1 + 1 / 64;

export class BoundChecker {
  readonly #checks: Checks;
  readonly #limits: GatewayLimits;

  constructor(checks: Checks, limits: GatewayLimits) {
    this.#checks = checks;
    this.#limits = limits;
  }

  gauges(life: Life, gauges: GatewayCore['gauges']): void {
    const { flows, questions, openings, heldBytes, portBlocks } = gauges;
    const { flowsMax, questionsMax, openingsMax, heldBytesMax, blocksMax } = this.#limits;
    // A lease asked for in several ranges at once may overshoot by one grant each.
    const holds =
      flows <= flowsMax * RESERVE &&
      questions <= questionsMax &&
      openings <= openingsMax &&
      heldBytes <= heldBytesMax &&
      portBlocks <= blocksMax + 64;
    this.#checks.check('I8', holds, () => {
      const values = JSON.stringify({ flows, questions, openings, heldBytes, portBlocks });
      return `${life.name} exceeds a limit: ${values}`;
    });
  }

  /** `inFlight` are the calls of this operation under way, this one included. */
  call(life: Life, { operation, requests }: StoreCall, inFlight: number): void {
    const { requestsPerCallMax, callsInFlightMax } = this.#limits;
    const holds = requests.length <= requestsPerCallMax && inFlight <= callsInFlightMax;
    this.#checks.check('I8', holds, () => {
      const calls = `${inFlight} calls of ${operation} under way`;
      return `${life.name} has ${calls}, ${requests.length} requests in one`;
    });
  }
}
