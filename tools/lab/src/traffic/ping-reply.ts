// One line of iputils' ping: `64 bytes from 198.51.100.10: icmp_seq=3 ttl=62 time=0.512 ms`.

export type PingReply = { sequence: number; roundTripMs: number };

/** undefined for everything that is no echo reply (headers, errors, duplicates). */
export function parsePingReply(line: string): PingReply | undefined {
  if (line.includes('(DUP!)')) return undefined;
  const match = /\bbytes from .*\bicmp_seq=(\d+) .*\btime=([\d.]+) ms/.exec(line);
  if (!match) return undefined;
  return { sequence: Number(match[1]), roundTripMs: Number(match[2]) };
}
