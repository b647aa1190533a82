/** A cluster configuration as it was published: its text from the store, read and checked. */
import type { ClusterConfig } from '@flowstore/flow';
import { clusterSchema } from './cluster-schema.ts';
import { problemLines } from './config-problems.ts';

/** A line per problem where this program can't go by it: a later one may know more settings. */
export function readCluster(
  text: string,
): { readonly config: ClusterConfig } | { readonly problems: readonly string[] } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problems: [`published: not readable: ${(error as Error).message}`] };
  }
  const result = clusterSchema.safeParse(value);
  if (result.success) return { config: result.data };
  return { problems: problemLines(clusterSchema, value, result.error.issues, () => 'published') };
}
