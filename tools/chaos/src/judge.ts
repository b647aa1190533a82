/** Which of a run's flows suffered more than the faults that were on explain. */
import type { FlowStory } from './traffic/story.ts';
import type { Conflict } from './traffic/witness.ts';
import { movedBlind, overlaps, stallWindows, type Window } from './windows.ts';

/** A known flow is silent for longer only where a fault says that it may. */
export const GAP_MS_MAX = 3_000;
/** From when a fault is over until a busy machine has worked off what it held up. */
export const RECOVERY_MS = 4_000;
/** Of one kind: the first ones tell what there is to know. */
const TOLD_MAX = 5;

/** The invariant, and what was wrong. */
type Complaint = readonly [string, string];

export interface Violation {
  readonly invariant: string;
  readonly what: string;
  /** How often, and the first of them. */
  readonly times: number;
  readonly examples: readonly string[];
}

const seconds = (ms: number) => (ms / 1_000).toFixed(1);

/** How long before a flow suffered a fault may have ended to be told with it. */
const NEAR_MS = 20_000;

function near(windows: readonly Window[], from: number, to: number): string {
  const told = windows
    .filter((window) => overlaps(window, from - NEAR_MS, to))
    .map(({ kind, fromMs, toMs }) => `${kind} from ${seconds(fromMs)} to ${seconds(toMs)}`);
  return `near: ${told.join(', ') || 'no fault'}`;
}

/**
 * The time that a silence may last because of these windows. TCP's own retransmission timer doubles
 * meanwhile: after an outage it may be silent for about as long again.
 */
export function isExplained(from: number, to: number, windows: readonly Window[]): boolean {
  const covering = windows.filter((window) => overlaps(window, from, to + RECOVERY_MS));
  if (covering.length === 0) return false;
  const end = Math.max(...covering.map((window) => window.toMs));
  const lasted = Math.max(0, end - from);
  return to <= end + lasted + RECOVERY_MS;
}

/**
 * Whether nobody knew it any more: it said nothing from when a gateway died, which may have been
 * the only one that carried it, until the store forgot (docs/outages.md, what is not promised).
 */
function wasForgotten({ heardMs, endedMs }: FlowStory, windows: readonly Window[]): boolean {
  const losses = windows.filter(({ forgets, fromMs }) => forgets && fromMs <= endedMs);
  return losses.some((loss) =>
    windows.some(
      ({ kills, fromMs }) => kills && fromMs <= loss.toMs && (heardMs ?? endedMs) <= fromMs,
    ),
  );
}

/**
 * A datagram of a flow that its gateway does not know looks like a new one's: where the store can't
 * be asked, and packets changed gateways since the flow's last word, it is opened provisionally
 * (docs/outages.md, what is not promised).
 */
function wasTakenForNew({ changedMs }: FlowStory, windows: readonly Window[]): boolean {
  if (changedMs === undefined) return false;
  return movedBlind(windows).some((one) => overlaps(one, changedMs - RECOVERY_MS, changedMs));
}

function complaintsOf(story: FlowStory, windows: readonly Window[], gapMsMax: number): Complaint[] {
  const { kind, flow, beganMs, openedMs, endedMs, why } = story;
  const who = `${kind} ${flow} (${story.inside})`;
  if (story.misdelivered > 0) {
    return [['I1 misdelivery', `${who} got ${story.misdelivered} of another flow's payloads`]];
  }
  const isNear = (of: (window: Window) => boolean, from: number, to: number) =>
    windows.some((window) => of(window) && overlaps(window, from - RECOVERY_MS, to));
  if (openedMs === null) {
    if (isNear(({ refuses, stalls }) => refuses || stalls, beganMs, endedMs)) return [];
    const when = `at ${seconds(beganMs)} (${why}); ${near(windows, beganMs, endedMs)}`;
    return [['I7 new flows', `${who} did not open ${when}`]];
  }
  const complaints: Complaint[] = [];
  const mayBreak =
    isNear(({ loses }) => loses, openedMs, openedMs) ||
    wasForgotten(story, windows) ||
    wasTakenForNew(story, windows);
  if (story.outcome === 'reset' && !mayBreak) {
    const brokeMs = story.changedMs ?? endedMs;
    const life = `opened at ${seconds(openedMs)}, broke at ${seconds(brokeMs)}`;
    const broke = `${why || 'closed by the peer'}; ${near(windows, brokeMs, brokeMs)}`;
    complaints.push(['I6 survival', `${who} ${life}: ${broke}`]);
  }
  const stalls = stallWindows(windows);
  // What was lost when its gateway could not tell anybody is silent for ever.
  const mayBeLost = isNear(({ loses }) => loses, openedMs, openedMs);
  for (const [from, to] of story.gaps) {
    // It was not known before its first answer.
    if (from < openedMs) continue;
    if (to - from <= gapMsMax || mayBeLost || isExplained(from, to, stalls)) continue;
    const when = `from ${seconds(from)} to ${seconds(to)}; ${near(windows, from, to)}`;
    const lasted = `${seconds(to - from)} s, ${when}`;
    complaints.push(['I7 known flows', `${who} was silent for ${lasted}`]);
  }
  return complaints;
}

export interface Circumstances {
  /** On a machine that is overloaded silences may be so many times as long. */
  readonly patience?: number;
  /** What there is to be told of an inside endpoint besides. */
  readonly recordsOf?: (inside: string) => readonly string[];
}

export function judge(
  stories: readonly FlowStory[],
  conflicts: readonly Conflict[],
  windows: readonly Window[],
  { patience = 1, recordsOf = () => [] }: Circumstances = {},
): Violation[] {
  const complaints: Complaint[] = conflicts.map((conflict) => {
    const { protocol, outside, inside, former, agoMs } = conflict;
    const when = `${seconds(agoMs)} s after ${former}`;
    return ['I1 no sharing', `${protocol} ${outside} was ${inside}'s ${when}`];
  });
  const gapMsMax = patience * GAP_MS_MAX;
  for (const story of stories) {
    for (const [invariant, text] of complaintsOf(story, windows, gapMsMax)) {
      complaints.push([invariant, [text, ...recordsOf(story.inside)].join('\n    ')]);
    }
  }
  const kinds = [...new Set(complaints.map(([invariant]) => invariant))];
  return kinds.map((invariant) => {
    const what = complaints.filter(([kind]) => kind === invariant).map(([, text]) => text);
    const times = what.length;
    return { invariant, what: `${times} of them`, times, examples: what.slice(0, TOLD_MAX) };
  });
}
