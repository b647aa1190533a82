/**
 * What leaves a gateway-core for the store and what comes back: batches of requests of one
 * operation, answered as a whole or not at all.
 */
import type { PortBlock } from '@flowstore/flow';
import type {
  CloseRequest,
  CloseResult,
  CountRequest,
  CountResult,
  FeedRequest,
  FeedResult,
  FindRequest,
  FindResult,
  FlowStore,
  FragmentRequest,
  FragmentResult,
  LeaseRef,
  LeaseRequest,
  LeaseResult,
  ListResult,
  OpenRequest,
  OpenResult,
  ReassertRequest,
  ReassertResult,
  ReleaseResult,
  RenewResult,
  TouchRequest,
  TouchResult,
} from '@flowstore/flow-store';

export interface Operations {
  open: { request: OpenRequest; result: OpenResult };
  find: { request: FindRequest; result: FindResult };
  fragment: { request: FragmentRequest; result: FragmentResult };
  touch: { request: TouchRequest; result: TouchResult };
  close: { request: CloseRequest; result: CloseResult };
  feed: { request: FeedRequest; result: FeedResult };
  reassert: { request: ReassertRequest; result: ReassertResult };
  lease: { request: LeaseRequest; result: LeaseResult };
  list: { request: PortBlock; result: ListResult };
  count: { request: CountRequest; result: CountResult };
  renew: { request: LeaseRef; result: RenewResult };
  release: { request: LeaseRef; result: ReleaseResult };
}
export type Operation = keyof Operations;

/** In the order in which they are sent: questions for flows that exist outrank new flows. */
export const OPERATIONS: readonly Operation[] = [
  'feed',
  'reassert',
  'find',
  'fragment',
  'touch',
  'lease',
  'count',
  'open',
  'list',
  'close',
  'renew',
  'release',
];

export interface StoreCall<O extends Operation = Operation> {
  readonly id: number;
  readonly operation: O;
  readonly requests: readonly Operations[O]['request'][];
}

export interface StoreReply {
  readonly id: number;
  /** One result per request, in order; null where the store gave no answer. */
  readonly results: readonly Operations[Operation]['result'][] | null;
}

/** Performs a call. Never rejects: no answer is an answer. */
export async function performCall(
  store: Pick<FlowStore, Operation>,
  call: StoreCall,
  onError: (error: unknown) => void = () => {},
): Promise<StoreReply> {
  const { id, operation } = call;
  // The operation decides both types, which TypeScript can't follow through a union.
  const perform = store[operation] as (requests: unknown) => Promise<StoreReply['results']>;
  try {
    return { id, results: await perform.call(store, call.requests) };
  } catch (error) {
    onError(error);
    return { id, results: null };
  }
}
