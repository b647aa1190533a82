/** A reaper of this release, which gets on with the layout of records before its own. */
import { BRIDGED } from '@flowstore/flow-store/testing';
import { runReaper } from '@flowstore/reaper/program';

void runReaper({ release: BRIDGED });
