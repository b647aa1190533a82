/** A gateway of the release before: it has the previous layout of records, and knows no other. */
import { FORMER } from '@flowstore/flow-store/testing';
import { runGateway } from '@flowstore/gateway/program';

void runGateway({ release: FORMER });
