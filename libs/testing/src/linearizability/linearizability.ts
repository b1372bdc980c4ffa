/**
 * Is a history linearizable? The rules over revisions for the whole of it, then a search for an order
 * key by key: linearizability is local (Herlihy and Wing 1990, theorem 1), and no operation here
 * touches two keys. Keys do not exist when a history begins.
 *
 * A search that would take too long is given up, and that is no 'ok'.
 */
import { type History, type Operation, validateHistory } from './history.ts';
import { failingWindow, type FailingWindow } from './failing-window.ts';
import { ABSENT } from './key-state.ts';
import { revisionsTaken, stepsOf } from './key-steps.ts';
import { searchOrder } from './order-search.ts';
import { checkRevisionRules, type RevisionRule, type RuleViolation } from './revision-rules.ts';
import { renderTimeline } from './timeline.ts';

export interface CheckOptions {
  /** Per key: (operations taken, state) pairs that the search may remember. */
  readonly configurationsMax?: number;
}

export interface Violation {
  /** `order`: one key's operations have no order. */
  readonly rule: RevisionRule | 'order';
  readonly key: string;
  /** Some lines of text: the reason, and the operations that contradict each other. */
  readonly explanation: string;
  readonly operations: readonly Operation[];
}

export interface GivenUp {
  readonly key: string;
  readonly operations: number;
  readonly configurations: number;
}

export interface CheckResult {
  readonly kind: 'ok' | 'violation' | 'gave-up';
  /** The first ones of each kind. */
  readonly violations: readonly Violation[];
  readonly gaveUp: readonly GivenUp[];
  readonly counts: CheckCounts;
}

export interface CheckCounts {
  readonly operations: number;
  readonly keys: number;
  readonly answered: number;
  readonly conditionFailed: number;
  readonly notApplied: number;
  readonly unknown: number;
  readonly violations: number;
  readonly configurations: number;
}

const CONFIGURATIONS_MAX = 1_000_000;
const VIOLATIONS_PER_RULE_MAX = 3;
const ROWS_MAX = 40;

/** Throws `HistoryError` for what is no history. */
export function checkLinearizability(history: History, options: CheckOptions = {}): CheckResult {
  validateHistory(history);
  const { configurationsMax = CONFIGURATIONS_MAX } = options;
  const byRule = checkRevisionRules(history);
  const broken = new Set(byRule.flatMap((each) => each.operations.map(({ key }) => key)));
  const violations = firstOfEach(byRule).map(ofRule);
  const gaveUp: GivenUp[] = [];
  let configurations = 0;
  let orderless = 0;
  const keys = byKey(history);
  for (const [key, operations] of keys) {
    const steps = stepsOf(operations);
    const verdict = searchOrder(steps, ABSENT, { taken: revisionsTaken(steps), configurationsMax });
    configurations += verdict.configurations;
    if (verdict.kind === 'gave-up') {
      gaveUp.push({ key, operations: steps.length, configurations: verdict.configurations });
    } else if (verdict.kind === 'no-order') {
      orderless += 1;
      // A rule that the key broke says it better.
      if (broken.has(key) || orderless > VIOLATIONS_PER_RULE_MAX) continue;
      violations.push(withoutOrder(key, failingWindow(steps)));
    }
  }
  const found = byRule.length + orderless;
  const counts = { ...count(history), keys: keys.size, violations: found, configurations };
  const kind = found > 0 ? 'violation' : gaveUp.length > 0 ? 'gave-up' : 'ok';
  return { kind, violations, gaveUp, counts };
}

/** The whole result as text, for a report or a thrown error. */
export function describeCheck({ kind, violations, gaveUp, counts }: CheckResult): string {
  const { operations, keys, answered, conditionFailed, notApplied, unknown } = counts;
  const summary =
    `${kind}: ${operations} operations on ${keys} keys (${answered} answered, ` +
    `${conditionFailed} failed conditions, ${notApplied} not applied, ${unknown} unknown), ` +
    `${counts.violations} violations, ${counts.configurations} configurations`;
  const given = gaveUp.map(
    (each) =>
      `gave up on key "${each.key}": ${each.operations} operations, ` +
      `${each.configurations} configurations searched`,
  );
  return [summary, ...violations.map((each) => each.explanation), ...given].join('\n\n');
}

function byKey(history: History): ReadonlyMap<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of history) {
    const operations = keys.get(operation.key);
    if (operations === undefined) keys.set(operation.key, [operation]);
    else operations.push(operation);
  }
  return keys;
}

function firstOfEach(all: readonly RuleViolation[]): RuleViolation[] {
  const seen = new Map<RevisionRule, number>();
  return all.filter(({ rule }) => {
    const before = seen.get(rule) ?? 0;
    seen.set(rule, before + 1);
    return before < VIOLATIONS_PER_RULE_MAX;
  });
}

function ofRule({ rule, reason, operations }: RuleViolation): Violation {
  const explanation = `${rule}: ${reason}\n${renderTimeline(operations)}`;
  return { rule, key: operations.at(-1)?.key ?? '', explanation, operations };
}

function withoutOrder(key: string, { steps, anyStart }: FailingWindow): Violation {
  const operations = steps.map((each) => each.operation);
  const possible = steps
    .filter((each) => each.return === Number.POSITIVE_INFINITY)
    .map((each) => each.operation);
  const start = anyStart ? 'whatever it held before' : 'a key that does not exist at first';
  const lines = [
    `order: no order of these operations on "${key}" gives these results (${start})`,
    renderTimeline(operations.slice(-ROWS_MAX), new Set(possible)),
  ];
  const more = operations.length - ROWS_MAX;
  if (more > 0) lines.push(`(and ${more} earlier ones)`);
  if (possible.length > 0) lines.push('? may or may not have happened, at any time after its call');
  return { rule: 'order', key, explanation: lines.join('\n'), operations };
}

function count(history: History): Omit<CheckCounts, 'keys' | 'violations' | 'configurations'> {
  const counts = {
    operations: history.length,
    answered: 0,
    conditionFailed: 0,
    notApplied: 0,
    unknown: 0,
  };
  for (const { result } of history) {
    if (result.kind === 'not-applied') counts.notApplied += 1;
    else if (result.kind === 'unknown') counts.unknown += 1;
    else if (result.kind === 'condition-failed') counts.conditionFailed += 1;
    else counts.answered += 1;
  }
  return counts;
}
