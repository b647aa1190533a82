/**
 * The registered signatures of the scripts: results in the order of their codes, how many requests
 * one call carries, whether it only reads, whether it counts only once replicas have what it wrote
 * (where the configuration says so). A test holds them to the headers of the .lua files.
 */
import type * as contract from '../contract.ts';

export interface Signature<Kind extends string> {
  /** A reply begins with the index of its result in here. */
  readonly results: readonly Kind[];
  readonly requestsMax: number;
  readonly readOnly: boolean;
  readonly replicated: boolean;
  /** One reply more tells for how many us the script held its server (4 bytes), where it can. */
  readonly timed: boolean;
}

/** Nearly all that batching gains is gained here, and a script stays below about 1 ms. */
const REQUESTS_MAX = 64;

function signature<Kind extends string>(
  results: readonly Kind[],
  requestsMax = REQUESTS_MAX,
  { readOnly = false, replicated = false, timed = false } = {},
): Signature<Kind> {
  return { results, requestsMax, readOnly, replicated, timed };
}

const READS = { readOnly: true };
/** By these a gateway knows that it may go on using what it holds. */
const REPLICATED = { replicated: true };

export const COMMANDS = {
  open: signature<contract.OpenResult['kind']>([
    'created',
    'exists',
    'portTaken',
    'limit',
    'leaseLost',
    'noBinding',
    'exhausted',
  ]),
  find: signature<contract.FindResult['kind']>(['entry', 'no', 'notYet'], REQUESTS_MAX, READS),
  // A block has up to sixteen rows.
  list: signature<contract.ListResult['kind']>(['flows'], 8, READS),
  fragment: signature<contract.FragmentResult['kind']>(['known', 'unknown']),
  record: signature<'recorded'>(['recorded']),
  touch: signature<contract.TouchResult['kind']>(['merged', 'stale', 'gone']),
  close: signature<contract.CloseResult['kind']>(['closed', 'alive', 'stale', 'gone', 'notYet']),
  reassert: signature<contract.ReassertResult['kind']>(['restored', 'exists', 'tooLate']),
  count: signature<contract.CountResult['kind']>(['counted'], REQUESTS_MAX, READS),
  fresh: signature<'marked'>(['marked'], 1),
  // A read answers up to FEED_BATCHES_MAX batches.
  feed: signature<contract.FeedResult['kind']>(['events', 'gap'], 1, REPLICATED),
  sweep: signature<'swept'>(['swept'], 1, { timed: true }),
  // A block may have many flows.
  audit: signature<'audited' | 'notYet'>(['audited', 'notYet'], 4),
  trim: signature<'trimmed'>(['trimmed'], 1),
  // A request may walk through all of a shard's blocks.
  lease: signature<contract.LeaseResult['kind']>(['granted', 'exhausted', 'notYet'], 4, REPLICATED),
  renew: signature<contract.RenewResult['kind']>(
    ['renewed', 'leaseLost'],
    REQUESTS_MAX,
    REPLICATED,
  ),
  release: signature<contract.ReleaseResult['kind']>(['released', 'leaseLost']),
  initialise: signature<'written' | 'present'>(['written', 'present'], 1, REPLICATED),
  publish: signature<'published' | 'overtaken'>(['published', 'overtaken'], 1, REPLICATED),
  deployment: signature<contract.DeploymentState['kind']>(
    ['running', 'notInitialised'],
    1,
    REPLICATED,
  ),
  join: signature<contract.JoinResult['kind']>(
    ['joined', 'configMismatch', 'notInitialised', 'layoutMismatch'],
    1,
    REPLICATED,
  ),
  heartbeat: signature<contract.HeartbeatResult['kind']>(['alive', 'unknown'], 1, REPLICATED),
  leave: signature<'left'>(['left'], 1),
} as const;

export type CommandName = keyof typeof COMMANDS;
export const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[];
