/**
 * Why a key has no order: the shortest stretch of its history that cannot be.
 *
 * Every step here keeps what it says true: a stretch without an order is one because
 *   - its end: what returned later might not have happened yet
 *   - its beginning: the key may hold anything then (`ANY`), and writes under way may be done already
 *   - reads and failed conditions that are left out would only be further duties
 * Writes are never left out, for that would invent violations.
 */
import { ABSENT, ANY, type KeyState } from './key-state.ts';
import { isObservation, revisionsTaken, type Step } from './key-steps.ts';
import { searchOrder } from './order-search.ts';

export interface FailingWindow {
  /** Those that must all have happened in it, and writes that may have. */
  readonly steps: readonly Step[];
  /** Whether the key may have held anything at its beginning; else it did not exist. */
  readonly anyStart: boolean;
}

/** Of each trial, and of all: where they do not suffice, the window is not as short as it could be. */
const CONFIGURATIONS_MAX = 20_000;
const CONFIGURATIONS_TOTAL_MAX = 200_000;

/** `steps` have no order from ABSENT. */
export function failingWindow(steps: readonly Step[]): FailingWindow {
  const taken = revisionsTaken(steps);
  let left = CONFIGURATIONS_TOTAL_MAX;
  const fails = (some: readonly Step[], initial: KeyState): boolean => {
    const configurationsMax = Math.min(CONFIGURATIONS_MAX, left);
    const { kind, configurations } = searchOrder(some, initial, { taken, configurationsMax });
    left = Math.max(0, left - configurations);
    return kind === 'no-order';
  };
  const prefix = shortestPrefix(steps, (some) => fails(some, ABSENT));
  const suffix = shortestSuffix(prefix, (some) => fails(some, ANY));
  const initial = suffix === undefined ? ABSENT : ANY;
  const window = withoutNeedless(suffix ?? prefix, (some) => fails(some, initial));
  return { steps: window, anyStart: suffix !== undefined };
}

type Fails = (steps: readonly Step[]) => boolean;

function shortestPrefix(steps: readonly Step[], fails: Fails): readonly Step[] {
  const ends = steps
    .map((each) => each.return)
    .filter((time) => time !== Number.POSITIVE_INFINITY)
    .sort((a, b) => a - b);
  const at = firstThat(ends.length - 1, (n) => fails(until(steps, ends[n] as number)));
  return until(steps, ends[at] as number);
}

/** Undefined when the history fails only because it begins with a key that does not exist. */
function shortestSuffix(steps: readonly Step[], fails: Fails): readonly Step[] | undefined {
  if (!fails(steps)) return undefined;
  const starts = steps.map((each) => each.call).reverse();
  const at = firstThat(starts.length - 1, (n) => fails(since(steps, starts[n] as number)));
  return since(steps, starts[at] as number);
}

/** What was called by then; what returned later need not have happened. */
function until(steps: readonly Step[], end: number): readonly Step[] {
  return steps
    .filter((each) => each.call <= end)
    .map((each) => (each.return > end ? optional(each) : each));
}

/** What returned after the start; what was called before it may have happened before. */
function since(steps: readonly Step[], start: number): readonly Step[] {
  return steps
    .filter((each) => each.return >= start)
    .flatMap((each) => {
      if (each.call >= start) return each;
      return isObservation(each) ? [] : optional(each);
    });
}

function optional(each: Step): Step {
  return { ...each, return: Number.POSITIVE_INFINITY };
}

/** The smallest n of 0..`last` that holds, when larger ones hold too and `last` does. */
function firstThat(last: number, holds: (n: number) => boolean): number {
  let low = 0;
  let high = last;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Leaves out observations, in chunks of halving size, as long as it still fails. */
function withoutNeedless(steps: readonly Step[], fails: Fails): readonly Step[] {
  let kept = steps.filter((each) => !(isObservation(each) && isOptional(each)));
  let candidates = kept.filter(isObservation);
  for (let size = candidates.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < candidates.length; at += size) {
      const dropped = new Set(candidates.slice(at, at + size));
      const fewer = kept.filter((each) => !dropped.has(each));
      if (dropped.size > 0 && fails(fewer)) kept = fewer;
    }
    const still = new Set(kept);
    candidates = candidates.filter((each) => still.has(each));
  }
  return kept;
}

function isOptional(each: Step): boolean {
  return each.return === Number.POSITIVE_INFINITY;
}
