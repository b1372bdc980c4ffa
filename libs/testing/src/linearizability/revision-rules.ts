/**
 * Rules over the whole history that need no search, because answers carry revisions. They see what a
 * search of one key cannot: the order between keys.
 *
 *   revision-shared   no two changes, of whatever keys, have one revision
 *   revision-order    what was called after another operation had returned is not at a lower revision,
 *                     and a write is at a higher one
 *   value-origin      a value that was read was put by an operation that was called before the read
 *                     returned and was not refused, with the result that its client was told
 *   value-twice       no value appears under two mod revisions, versions or create revisions
 *   version-order     versions of one incarnation of a key grow with their mod revisions
 */
import type { Found, GetOperation, History, Operation, PutOperation } from './history.ts';

export type RevisionRule =
  'revision-shared' | 'revision-order' | 'value-origin' | 'value-twice' | 'version-order';

export interface RuleViolation {
  readonly rule: RevisionRule;
  /** One sentence. */
  readonly reason: string;
  /** The operations that contradict each other. */
  readonly operations: readonly Operation[];
}

export function checkRevisionRules(history: History): RuleViolation[] {
  return [
    ...checkSharedRevisions(history),
    ...checkRealTime(history),
    ...checkValues(history),
    ...checkVersions(history),
  ];
}

type GetFound = GetOperation & { readonly result: Found };

/** What is known to stand at a revision: who says so, and what. */
interface Evidence {
  readonly operation: Operation;
  readonly revision: number;
  readonly change: string;
}

function checkSharedRevisions(history: History): RuleViolation[] {
  const known = new Map<number, Evidence>();
  const violations: RuleViolation[] = [];
  for (const operation of history) {
    const evidence = evidenceOf(operation);
    if (evidence === undefined) continue;
    const { revision, change } = evidence;
    const other = known.get(revision);
    if (other === undefined) known.set(revision, evidence);
    else if (other.change !== change) {
      const reason = `revision ${revision} belongs to two changes: ${other.change} and ${change}`;
      const operations = [other.operation, operation];
      violations.push({ rule: 'revision-shared', reason, operations });
    }
  }
  return violations;
}

function evidenceOf(operation: Operation): Evidence | undefined {
  const { key, result } = operation;
  if (operation.kind === 'put' && result.kind === 'written') {
    const change = `put of "${operation.value}" to "${key}"`;
    return { operation, revision: result.revision, change };
  }
  if (result.kind === 'found') {
    const change = `put of "${result.value}" to "${key}"`;
    return { operation, revision: result.modRevision, change };
  }
  if (!isEffectiveDelete(operation)) return undefined;
  // Every delete is a change of its own.
  const change = `delete of "${key}" by client ${operation.client} at ${operation.call}`;
  return { operation, revision: operation.result.revision, change };
}

type EffectiveDelete = Extract<Operation, { kind: 'delete' }> & {
  readonly result: { readonly kind: 'deleted' };
};

/** A delete that certainly removed something. */
function isEffectiveDelete(operation: Operation): operation is EffectiveDelete {
  const { kind, result } = operation;
  if (kind !== 'delete' || result.kind !== 'deleted') return false;
  return result.existed === true || operation.condition?.kind === 'mod-revision';
}

/** One sweep by call, which remembers the highest revision that anybody knew of. */
function checkRealTime(history: History): RuleViolation[] {
  const told = history.flatMap((operation) => {
    const revision = revisionOf(operation.result);
    return revision === undefined ? [] : [{ operation, revision }];
  });
  const byCall = told.toSorted((a, b) => a.operation.call - b.operation.call);
  const byReturn = told.toSorted((a, b) => a.operation.return - b.operation.return);
  const violations: RuleViolation[] = [];
  let returned = 0;
  let highest: { readonly operation: Operation; readonly revision: number } | undefined;
  for (const { operation, revision } of byCall) {
    for (let next = byReturn[returned]; next !== undefined; next = byReturn[++returned]) {
      if (next.operation.return >= operation.call) break;
      if (highest === undefined || next.revision > highest.revision) highest = next;
    }
    if (highest === undefined) continue;
    const writes = operation.result.kind === 'written' || isEffectiveDelete(operation);
    if (writes ? revision > highest.revision : revision >= highest.revision) continue;
    const reason =
      `${writes ? 'a write has' : 'an answer shows'} revision ${revision}, ` +
      `although revision ${highest.revision} was known before it was asked for`;
    const operations = [highest.operation, operation];
    violations.push({ rule: 'revision-order', reason, operations });
  }
  return violations;
}

function revisionOf(result: Operation['result']): number | undefined {
  return 'revision' in result ? result.revision : undefined;
}

function checkValues(history: History): RuleViolation[] {
  const puts = new Map<string, PutOperation>();
  for (const operation of history) {
    if (operation.kind === 'put') puts.set(operation.value, operation);
  }
  const firsts = new Map<string, GetFound>();
  const violations: RuleViolation[] = [];
  for (const operation of history) {
    if (!isFound(operation)) continue;
    const { value } = operation.result;
    const put = puts.get(value);
    const origin = originFlaw(operation, put);
    if (origin !== undefined) {
      const operations = put === undefined ? [operation] : [put, operation];
      violations.push({ rule: 'value-origin', reason: origin, operations });
    }
    const first = firsts.get(value);
    if (first === undefined) firsts.set(value, operation);
    else if (first.key === operation.key && !sameEntry(first.result, operation.result)) {
      const reason = `"${value}" was read as two different writes`;
      violations.push({ rule: 'value-twice', reason, operations: [first, operation] });
    }
  }
  return violations;
}

function isFound(operation: Operation): operation is GetFound {
  return operation.kind === 'get' && operation.result.kind === 'found';
}

function sameEntry(a: Found, b: Found): boolean {
  return (
    a.version === b.version &&
    a.modRevision === b.modRevision &&
    a.createRevision === b.createRevision
  );
}

function originFlaw(read: GetFound, put: PutOperation | undefined): string | undefined {
  const { value, version, modRevision, createRevision } = read.result;
  if (put === undefined) return `"${value}" was read, which nobody put`;
  if (put.key !== read.key) return `"${value}" was put to "${put.key}" and read of "${read.key}"`;
  if (read.return < put.call) return `"${value}" was read before it was put`;
  switch (put.result.kind) {
    case 'unknown':
      return undefined;
    case 'not-applied':
    case 'condition-failed':
      return `"${value}" was read, although its put was answered ${put.result.kind}`;
    case 'written': {
      const told = put.result;
      const created = told.createRevision ?? createRevision;
      const same =
        told.version === version && told.revision === modRevision && created === createRevision;
      return same ? undefined : `"${value}" was read with another result than its put was told`;
    }
    default:
      return put.result satisfies never;
  }
}

/** A version of a key, where the create revision is known too. */
interface KnownVersion {
  readonly operation: Operation;
  readonly version: number;
  readonly modRevision: number;
}

function checkVersions(history: History): RuleViolation[] {
  const incarnations = new Map<string, KnownVersion[]>();
  for (const operation of history) {
    const { key, result } = operation;
    const create = createRevisionOf(operation);
    if (create === undefined || !('version' in result)) continue;
    const modRevision = result.kind === 'written' ? result.revision : result.modRevision;
    const name = `${create} ${key}`;
    const known = incarnations.get(name) ?? [];
    known.push({ operation, version: result.version, modRevision });
    incarnations.set(name, known);
  }
  return [...incarnations.values()].flatMap(versionFlaws);
}

function createRevisionOf({ result }: Operation): number | undefined {
  if (result.kind === 'found') return result.createRevision;
  if (result.kind !== 'written') return undefined;
  return result.version === 1 ? result.revision : result.createRevision;
}

function versionFlaws(known: readonly KnownVersion[]): RuleViolation[] {
  const sorted = known.toSorted((a, b) => a.modRevision - b.modRevision);
  return sorted.flatMap((next, at) => {
    const before = sorted[at - 1];
    if (before === undefined) return [];
    const versions = next.version - before.version;
    const revisions = next.modRevision - before.modRevision;
    if (revisions === 0 ? versions === 0 : versions > 0 && versions <= revisions) return [];
    const reason =
      `mod revision ${before.modRevision} is version ${before.version} of "${next.operation.key}", ` +
      `and mod revision ${next.modRevision} is version ${next.version}`;
    return { rule: 'version-order', reason, operations: [before.operation, next.operation] };
  });
}
