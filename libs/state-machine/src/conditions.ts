/** Conditions of a command against the key as it is before it: all must hold. */
import { assertNever, type Revision } from '@kvstore/std';
import type { Condition } from './command.ts';

/** What conditions look at; undefined stands for a key that does not exist. */
interface Subject {
  readonly modRevision: Revision;
  readonly version: number;
}

/** The first condition that does not hold, or undefined when all do. */
export function firstFailed(
  conditions: readonly Condition[],
  subject: Subject | undefined,
): Condition | undefined {
  for (const condition of conditions) if (!holds(condition, subject)) return condition;
  return undefined;
}

function holds(condition: Condition, subject: Subject | undefined): boolean {
  switch (condition.kind) {
    case 'mod-revision-in':
      return subject !== undefined && condition.revisions.includes(subject.modRevision);
    case 'mod-revision-not-in':
      return subject === undefined || !condition.revisions.includes(subject.modRevision);
    case 'version-is':
      return (subject === undefined ? 0 : subject.version) === condition.version;
    case 'exists':
      return subject !== undefined;
    case 'absent':
      return subject === undefined;
    default:
      return assertNever(condition);
  }
}
