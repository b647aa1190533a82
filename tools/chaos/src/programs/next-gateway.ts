/** A gateway of this release, which gets on with the layout of records before its own. */
import { BRIDGED } from '@flowstore/flow-store/testing';
import { runGateway } from '@flowstore/gateway/program';

void runGateway({ release: BRIDGED });
