/**
 * The operations of one key as steps of the search.
 *
 * What certainly did nothing is left out. A put without an answer whose value somebody read has the
 * result that the reader saw: only that, and not when it happened, is taken from the read.
 */
import type {
  DeleteOperation,
  Found,
  GetOperation,
  Operation,
  PutOperation,
  WriteCondition,
} from './history.ts';
import type { Effect } from './key-state.ts';

export interface Step {
  readonly operation: Operation;
  readonly effect: Effect;
  readonly call: number;
  /** Infinity: it may have happened, at any time after its call. */
  readonly return: number;
}

/** In the order of their calls. `operations` are all of one key. */
export function stepsOf(operations: readonly Operation[]): Step[] {
  const seen = firstReads(operations);
  const steps: Step[] = [];
  for (const operation of operations) {
    const effect = effectOf(operation, seen);
    if (effect === undefined) continue;
    const unknown = operation.result.kind === 'unknown';
    const returned = unknown ? Number.POSITIVE_INFINITY : operation.return;
    steps.push({ operation, effect, call: operation.call, return: returned });
  }
  return steps.sort((a, b) => a.call - b.call);
}

/** Reads, and writes that changed nothing: without them the others are not less constrained. */
export function isObservation({ effect }: Step): boolean {
  switch (effect.kind) {
    case 'found':
    case 'not-found':
    case 'condition-failed':
      return true;
    case 'delete':
      return effect.existed === false;
    case 'put':
    case 'unknown-put':
    case 'unknown-delete':
      return false;
    default:
      return effect satisfies never;
  }
}

/** The revisions that certainly belong to a write that is known, and so to no unknown one. */
export function revisionsTaken(steps: readonly Step[]): ReadonlySet<number> {
  return new Set(steps.flatMap(revisionsOf));
}

function revisionsOf({ effect }: Step): number[] {
  switch (effect.kind) {
    case 'put':
      return [effect.revision];
    case 'found':
      return [effect.modRevision];
    case 'delete':
      return effect.existed === true ? [effect.revision] : [];
    case 'not-found':
    case 'condition-failed':
    case 'unknown-put':
    case 'unknown-delete':
      return [];
    default:
      return effect satisfies never;
  }
}

function firstReads(operations: readonly Operation[]): ReadonlyMap<string, Found> {
  const seen = new Map<string, Found>();
  for (const { result } of operations) {
    if (result.kind === 'found' && !seen.has(result.value)) seen.set(result.value, result);
  }
  return seen;
}

function effectOf(operation: Operation, seen: ReadonlyMap<string, Found>): Effect | undefined {
  if (operation.result.kind === 'not-applied') return undefined;
  switch (operation.kind) {
    case 'put':
      return putEffect(operation, seen.get(operation.value));
    case 'delete':
      return deleteEffect(operation);
    case 'get':
      return getEffect(operation);
    default:
      return operation satisfies never;
  }
}

function putEffect(
  { value, condition, result }: PutOperation,
  seen: Found | undefined,
): Effect | undefined {
  switch (result.kind) {
    case 'written': {
      const { version, revision, createRevision } = result;
      return { kind: 'put', value, condition, version, revision, createRevision };
    }
    case 'unknown': {
      if (seen === undefined) return { kind: 'unknown-put', condition };
      const { version, modRevision: revision, createRevision } = seen;
      return { kind: 'put', value, condition, version, revision, createRevision };
    }
    case 'condition-failed':
      return conditionFailed(condition, result);
    case 'not-applied':
      return undefined;
    default:
      return result satisfies never;
  }
}

function deleteEffect({ condition, result }: DeleteOperation): Effect | undefined {
  switch (result.kind) {
    case 'deleted': {
      const { revision, existed } = result;
      return { kind: 'delete', condition, revision, existed };
    }
    case 'unknown':
      return { kind: 'unknown-delete', condition };
    case 'condition-failed':
      return conditionFailed(condition, result);
    case 'not-applied':
      return undefined;
    default:
      return result satisfies never;
  }
}

function conditionFailed(
  condition: WriteCondition | undefined,
  { version, modRevision, revision }: Extract<PutOperation['result'], { kind: 'condition-failed' }>,
): Effect | undefined {
  // Invariant: `validateHistory` refuses a failed condition where there is none.
  if (condition === undefined) return undefined;
  return { kind: 'condition-failed', condition, version, modRevision, revision };
}

function getEffect({ result }: GetOperation): Effect | undefined {
  return result.kind === 'not-applied' ? undefined : result;
}
