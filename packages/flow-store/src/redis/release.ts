/**
 * The layout of records that a release has, and how it gets on with the one before: gateways of
 * both run beside each other while a deployment is upgraded, over the same keys.
 *
 * ```
 *   script <--> bridge <--> Redis      layout N in the scripts; N or N - 1 in what is stored
 * ```
 *
 * Scripts know layout N alone. Where there is a layout before, a bridge stands in front of all
 * parts and takes the place of `redis.call`: it reads both, and writes the one that the policy
 * names (its 12th figure), which every live member reads. So the way of two layouts costs nothing
 * while there is one, and is one file to write and to delete.
 */
import { RECORD_LAYOUT } from '@flowstore/flow';

export interface Release {
  /** It reads this one and, by its bridge, the one before. */
  readonly layout: number;
  /** Lua; empty: there is nothing before. */
  readonly bridge: string;
}

/** There is no layout before the first. */
export const THIS_RELEASE: Release = { layout: RECORD_LAYOUT, bridge: '' };

/** The script as it is sent: the first line says what it is, so the bridge comes behind it. */
export function bridged(lua: string, { bridge }: Release): string {
  if (bridge === '') return lua;
  const end = lua.indexOf('\n');
  return `${lua.slice(0, end + 1)}${bridge}\n${lua.slice(end + 1)}`;
}
