/**
 * What the clients say and the servers repeat. Every payload names its flow, so that one which
 * comes out elsewhere is seen, and the inside endpoint that it came from, so that a server can tell
 * whether an outside endpoint changed hands.
 *
 * ```
 *   chaos <flow> <number> <inside endpoint> <padding>     to the server
 *   chaos <flow> <number> <outside endpoint> <padding>    back
 * ```
 *
 * Over UDP a payload is a datagram, over TCP a line.
 */
export interface Words {
  /** Unique in a run, without blanks. */
  readonly flow: string;
  readonly sequence: number;
  /** "198.18.1.10:40001" */
  readonly endpoint: string;
  readonly padding: string;
}

export const ECHO_PORT = 7_100;
export const DNS_PORT = 53;

const FORM = /^chaos (\S+) (\d+) ([\d.]+:\d+) (\S*)$/;

export function sayWords({ flow, sequence, endpoint, padding }: Words): string {
  return `chaos ${flow} ${sequence} ${endpoint} ${padding}`;
}

export function readWords(text: string): Words | null {
  const [, flow, sequence, endpoint, padding] = FORM.exec(text) ?? [];
  if (flow === undefined || endpoint === undefined || padding === undefined) return null;
  return { flow, sequence: Number(sequence), endpoint, padding };
}
