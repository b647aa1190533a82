/** A block of IPv4 outside ports as one number, for Maps. */
import { BLOCKS, blockOfPort } from '@flowstore/flow';

export function blockNumber(protocol: number, address: number, port: number): number {
  return (address * BLOCKS + blockOfPort(port)) * 256 + protocol;
}
