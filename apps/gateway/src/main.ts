/** The gateway's program: `node apps/gateway/src/main.ts --config FILE`. */
import { runGateway } from './program.ts';

void runGateway();
