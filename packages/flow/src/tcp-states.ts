/**
 * A TCP connection as a NAT sees it (RFC 6146 section 3.5.2, RFC 7857 section 2), on the lattice of
 * state.ts: each side has got as far as nothing, a SYN, a segment that is neither SYN nor RST, or a
 * FIN, whichever gateway saw it and in whichever order it was reported.
 *
 * | state | seen from inside, from outside                  | in RFC 6146             | timeout |
 * | ----- | ----------------------------------------------- | ----------------------- | ------- |
 * | no    | nothing                                         | CLOSED                  | opening |
 * | sO sI | the SYN of one side                             | V6 INIT, V4 INIT        | opening |
 * | sB    | the SYNs of both: half of a handshake, or a     |                         | opening |
 * |       | simultaneous open                               |                         |         |
 * | lO lI | segments of one side alone                      |                         | opening |
 * | xO xI | the same, and its FIN                           |                         | opening |
 * | ES    | both spoke, and one has acknowledged a SYN      | ESTABLISHED             | estab.  |
 * | hO hI | the same, and the FIN of one side: half-closed  | V6 FIN RCV, V4 FIN RCV  | estab.  |
 * | CL    | the FINs of both                                | V4 FIN + V6 FIN RCV     | closing |
 * | RS    | an RST, and nothing that refreshes since        | TRANS                   | closing |
 *
 * Opening ends once each endpoint has sent a segment with an ACK (RFC 5382 REQ-5). A SYN-ACK is
 * one, so the last segment of the handshake establishes: the ACK of one side proves that what came
 * from the other was no bare SYN.
 *
 * ## Why per odd cell
 *
 * - `NW`, a first SYN in CL or RS, is no merge: it is the next incarnation, opened in place of this
 *   one (port reuse in TIME_WAIT). In every other state a SYN is a repeated one, or one that comes
 *   late to a gateway, and changes nothing; a live connection's hosts answer it themselves.
 * - `<-`, anything but a SYN or another RST after an RST: that was forged, or overtaken (RFC 5961).
 *   The connection is what its flags say again. The RST has a time of its own for that.
 * - A second RST changes nothing, not even the time: the answer to what comes in keeps nothing
 *   alive (RFC 7857 section 7).
 * - lI and xI go over to ES and hI by the inside's SYN, and lO and xO the other way round: reports
 *   come in any order, and a SYN that is reported last was sent first.
 * - A SYN-ACK counts as the SYN of its side. What tells it from a bare one is the other side's ACK.
 * - xO stays opening though a FIN was seen: a scan by FINs gets 4 minutes, not 2 hours.
 */
import { IN_DATA, IN_FIN, IN_SYN, OUT_DATA, OUT_FIN, OUT_SYN } from './state.ts';

/** [direction and segment][state]: the state after it. */
export const TCP_TABLE = `
              no  sO  sI  sB  lO  lI  xO  xI  ES  hO  hI  CL  RS
out SYN       sO  sO  sB  sB  lO  ES  xO  hI  ES  hO  hI  NW  NW
out SYN-ACK   sO  sO  sB  sB  lO  ES  xO  hI  ES  hO  hI  CL  <-
out ACK       lO  lO  ES  ES  lO  ES  xO  hI  ES  hO  hI  CL  <-
out FIN       xO  xO  hO  hO  xO  hO  xO  CL  hO  hO  CL  CL  <-
out RST       RS  RS  RS  RS  RS  RS  RS  RS  RS  RS  RS  RS  RS
in  SYN       sI  sB  sI  sB  ES  lI  hO  xI  ES  hO  hI  NW  NW
in  SYN-ACK   sI  sB  sI  sB  ES  lI  hO  xI  ES  hO  hI  CL  <-
in  ACK       lI  ES  lI  ES  ES  lI  hO  xI  ES  hO  hI  CL  <-
in  FIN       xI  hI  xI  hI  hI  xI  CL  xI  hI  CL  hI  CL  <-
in  RST       RS  RS  RS  RS  RS  RS  RS  RS  RS  RS  RS  RS  RS
`;

/** What each row adds to the flags; an RST has a time instead. */
export const TCP_ROW_FLAGS: Readonly<Record<string, number>> = {
  'out SYN': OUT_SYN,
  'out SYN-ACK': OUT_SYN,
  'out ACK': OUT_DATA,
  'out FIN': OUT_DATA | OUT_FIN,
  'out RST': 0,
  'in SYN': IN_SYN,
  'in SYN-ACK': IN_SYN,
  'in ACK': IN_DATA,
  'in FIN': IN_DATA | IN_FIN,
  'in RST': 0,
};

export const Phase = { Opening: 0, Established: 1, Closing: 2 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** Which timeout a connection waits in each state. */
export const TCP_PHASES: Readonly<Record<string, Phase>> = {
  no: Phase.Opening,
  sO: Phase.Opening,
  sI: Phase.Opening,
  sB: Phase.Opening,
  lO: Phase.Opening,
  lI: Phase.Opening,
  xO: Phase.Opening,
  xI: Phase.Opening,
  ES: Phase.Established,
  hO: Phase.Established,
  hI: Phase.Established,
  CL: Phase.Closing,
  RS: Phase.Closing,
};

/** The table, by row and column. */
export function readTcpTable(text = TCP_TABLE): Map<string, Map<string, string>> {
  const [head = '', ...lines] = text.trim().split('\n');
  const states = head.trim().split(/\s+/);
  return new Map(
    lines.map((line) => {
      const [direction, segment, ...cells] = line.split(/\s+/);
      const row = new Map(states.map((state, i) => [state, cells[i] ?? '']));
      return [`${direction} ${segment}`, row];
    }),
  );
}

/** The rows that add a flag alone: whatever was merged, these lead to it. */
const FLAG_ROWS: readonly (readonly [number, string])[] = [
  [OUT_SYN, 'out SYN-ACK'],
  [IN_SYN, 'in SYN-ACK'],
  [OUT_DATA, 'out ACK'],
  [IN_DATA, 'in ACK'],
  [OUT_FIN, 'out FIN'],
  [IN_FIN, 'in FIN'],
];

const TABLE = readTcpTable();
const FLAGS = 64;

/** The state of a connection of which these flags were merged, as if no RST was seen. */
export function tcpStateOf(flags: number): string {
  const rows = FLAG_ROWS.filter(([flag]) => (flags & flag) !== 0);
  return rows.reduce((state, [, row]) => TABLE.get(row)!.get(state)!, 'no');
}

const PHASE_OF_FLAGS = Uint8Array.from({ length: FLAGS }, (_, i) => TCP_PHASES[tcpStateOf(i)]!);

/** A digit per set of flags: its phase. The store's scripts have this very text. */
export const PHASES_TEXT = PHASE_OF_FLAGS.join('');

/** By the flags, and when a packet that refreshes and an RST were seen last; NEVER is 0. */
export function tcpPhase(flags: number, seenMs: number, rstMs: number): Phase {
  return rstMs > seenMs ? TCP_PHASES.RS! : (PHASE_OF_FLAGS[flags] as Phase);
}
