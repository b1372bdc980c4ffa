/**
 * The slow, obviously right checker for a handful of operations on one key: tries every order, every
 * choice of the unknown writes that happened, and every revision that they can have had.
 *
 * By itself, a key does not say in which order two reads between the same writes come, even when their
 * revisions do: only `revisionsInOrder` takes that into account.
 */
import type { Operation, WriteCondition } from './history.ts';

interface Entry {
  readonly value: string;
  readonly version: number;
  readonly modRevision: number;
  readonly createRevision: number;
}

/** A moment of the store: the entry of the key, and the revision that the store has at least. */
interface Moment {
  readonly entry: Entry | undefined;
  readonly revision: number;
  /** At which the entry changed last. */
  readonly changed: number;
}

interface Bounds {
  readonly revisionMax: number;
  readonly revisionsInOrder: boolean;
}

export function isLinearizableByBruteForce(
  history: readonly Operation[],
  { revisionsInOrder }: { readonly revisionsInOrder: boolean },
): boolean {
  const operations = history.filter(({ result }) => result.kind !== 'not-applied');
  const revisionMax = Math.max(0, ...operations.map(revisionOf)) + operations.length;
  const start = { entry: undefined, revision: 0, changed: 0 };
  return hasOrder(operations, start, { revisionMax, revisionsInOrder });
}

function hasOrder(left: readonly Operation[], moment: Moment, bounds: Bounds): boolean {
  if (left.every(({ result }) => result.kind === 'unknown')) return true;
  return left.some((next) => {
    const mustWait = left.some(
      (other) => other.result.kind !== 'unknown' && other.return < next.call,
    );
    if (mustWait) return false;
    const rest = left.filter((other) => other !== next);
    return after(moment, next, bounds).some((then) => hasOrder(rest, then, bounds));
  });
}

/** Every moment that can follow. */
function after(moment: Moment, operation: Operation, bounds: Bounds): Moment[] {
  const { result } = operation;
  if (result.kind === 'unknown') {
    const moments: Moment[] = [];
    for (let at = moment.revision + 1; at <= bounds.revisionMax; at++) {
      const then = applied(moment, operation, at);
      if (then !== undefined && then.changed === at) moments.push(then);
    }
    return moments;
  }
  const revision = revisionOf(operation);
  if (revision < (bounds.revisionsInOrder ? moment.revision : moment.changed)) return [];
  const seen = { ...moment, revision: Math.max(moment.revision, revision) };
  switch (result.kind) {
    case 'not-found':
      return moment.entry === undefined ? [seen] : [];
    case 'found':
      return same(moment.entry, result) && moment.entry?.value === result.value ? [seen] : [];
    case 'condition-failed': {
      const { version, modRevision } = moment.entry ?? { version: 0, modRevision: 0 };
      const told = version === result.version && modRevision === result.modRevision;
      return told && !holds(conditionOf(operation), moment.entry) ? [seen] : [];
    }
    case 'written':
    case 'deleted': {
      const then = applied(moment, operation, revision);
      return then !== undefined && agrees(moment, then, result) ? [then] : [];
    }
    case 'not-applied':
      return [];
    default:
      return result satisfies never;
  }
}

/** The write at this revision; undefined when it cannot be, or its condition does not hold. */
function applied(moment: Moment, operation: Operation, at: number): Moment | undefined {
  const { entry, revision } = moment;
  if (!holds(conditionOf(operation), entry)) return undefined;
  if (operation.kind === 'put') {
    if (at <= revision) return undefined;
    const version = (entry?.version ?? 0) + 1;
    const createRevision = entry?.createRevision ?? at;
    const written = { value: operation.value, version, modRevision: at, createRevision };
    return { entry: written, revision: at, changed: at };
  }
  if (entry === undefined) return { ...moment, revision: Math.max(revision, at) };
  return at <= revision ? undefined : { entry: undefined, revision: at, changed: at };
}

function agrees(
  before: Moment,
  { entry }: Moment,
  result: Extract<Operation['result'], { kind: 'written' | 'deleted' }>,
): boolean {
  if (result.kind === 'deleted') {
    return result.existed === undefined || result.existed === (before.entry !== undefined);
  }
  const created = result.createRevision ?? entry?.createRevision;
  return entry?.version === result.version && entry.createRevision === created;
}

function same(entry: Entry | undefined, result: Omit<Entry, 'value'>): boolean {
  return (
    entry?.version === result.version &&
    entry.modRevision === result.modRevision &&
    entry.createRevision === result.createRevision
  );
}

function holds(condition: WriteCondition | undefined, entry: Entry | undefined): boolean {
  if (condition === undefined) return true;
  if (condition.kind === 'absent') return entry === undefined;
  return entry?.modRevision === condition.modRevision;
}

function conditionOf(operation: Operation): WriteCondition | undefined {
  return operation.kind === 'get' ? undefined : operation.condition;
}

function revisionOf({ result }: Operation): number {
  return 'revision' in result ? result.revision : 0;
}
