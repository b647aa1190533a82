// Payloads that say who they are. An echo of another run, connection or number is a packet that
// went to the wrong place: exactly what a NAT that mixes up flows would do.

export type Payload = { run: string; connection: number; sequence: number };

export function encodePayload({ run, connection, sequence }: Payload): string {
  return `flowstore ${run} ${connection} ${sequence}`;
}

export function decodePayload(text: string): Payload | undefined {
  const match = /^flowstore (\S+) (\d+) (\d+)$/.exec(text);
  if (!match) return undefined;
  return {
    run: match[1] as string,
    connection: Number(match[2]),
    sequence: Number(match[3]),
  };
}

/** Tells runs apart that share a server, without asking for more than that. */
export function newRun(): string {
  return `${process.pid.toString(36)}-${process.hrtime.bigint().toString(36)}`;
}
