/**
 * What a script is asked, and what it answers, as one string each: requests and replies with their
 * length (3 bytes) in front. See lua/parts/requests.lua.
 */
const LENGTH_BYTES = 3;

export function packBatch(requests: readonly Buffer[]): Buffer {
  const bytes = requests.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0);
  const batch = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const request of requests) {
    batch.writeUIntBE(request.length, at, LENGTH_BYTES);
    at += LENGTH_BYTES + request.copy(batch, at + LENGTH_BYTES);
  }
  return batch;
}

export function unpackBatch(batch: Buffer): Buffer[] {
  const replies: Buffer[] = [];
  for (let at = 0; at < batch.length; ) {
    const from = at + LENGTH_BYTES;
    at = from + batch.readUIntBE(at, LENGTH_BYTES);
    replies.push(batch.subarray(from, at));
  }
  return replies;
}
