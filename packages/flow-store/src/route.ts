/** Which shard a question goes to: arithmetic on the endpoint it names. */
import { isPoolPort, shardOfInside, shardOfOutside } from '@flowstore/flow';
import type { FindRequest } from './contract.ts';

/** null: the port is below the pool, so no binding can have it and nobody need be asked. */
export function shardOfFind(request: FindRequest): number | null {
  if (request.direction === 'inside') return shardOfInside(request.inside);
  const { protocol, outside } = request;
  if (!isPoolPort(outside.port)) return null;
  return shardOfOutside(protocol, outside.address, outside.port);
}
