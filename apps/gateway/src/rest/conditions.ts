/**
 * Conditional requests (RFC 9110, 13). An entity tag is a mod revision in quotes; the version cannot
 * validate, because it restarts when a key is deleted and made again.
 *
 * A tag that is weak, or no revision, is refused and not merely unequal: with `If-None-Match` it would
 * silently let a write pass.
 */
import { failure } from '@kvstore/contract';
import { FailureException } from '@kvstore/nest-kit';
import type { Condition } from '@kvstore/state-machine';
import { revision, type Revision } from '@kvstore/std';
import type { KeyFields } from './key-exchange.ts';

export type EntityTags = '*' | readonly Revision[];

const NO_CONDITIONS: readonly Condition[] = [];
const ENTITY_TAG = /^"([1-9]\d{0,15})"$/;

export function entityTag(modRevision: Revision): string {
  return `"${modRevision}"`;
}

export function parseEntityTags(header: string | undefined, name: string): EntityTags | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return '*';
  return header.split(',').map((text) => {
    const digits = ENTITY_TAG.exec(text.trim())?.[1];
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) {
      const expected = 'is "*" or a list of strong entity tags as this API gives them, e.g. "12"';
      throw new FailureException(failure('INVALID_ARGUMENT', `${name} ${expected}.`));
    }
    return revision(value);
  });
}

/** Of a PUT or DELETE: from its headers and `?if_version=`; all must hold. Version 0: not there. */
export function writeConditions(
  fields: KeyFields,
  ifVersion: number | undefined,
): readonly Condition[] {
  refuseDates(fields);
  const match = parseEntityTags(fields.field('if-match'), 'If-Match');
  const noneMatch = parseEntityTags(fields.field('if-none-match'), 'If-None-Match');
  if (match === undefined && noneMatch === undefined && ifVersion === undefined)
    return NO_CONDITIONS;
  const conditions: Condition[] = [];
  if (match === '*') conditions.push({ kind: 'exists' });
  else if (match !== undefined) conditions.push({ kind: 'mod-revision-in', revisions: match });
  if (noneMatch === '*') conditions.push({ kind: 'absent' });
  else if (noneMatch !== undefined) {
    conditions.push({ kind: 'mod-revision-not-in', revisions: noneMatch });
  }
  if (ifVersion === 0) conditions.push({ kind: 'absent' });
  else if (ifVersion !== undefined) conditions.push({ kind: 'version-is', version: ifVersion });
  return conditions;
}

export interface ReadConditions {
  readonly match: EntityTags | undefined;
  readonly noneMatch: EntityTags | undefined;
}

const UNCONDITIONAL: ReadConditions = { match: undefined, noneMatch: undefined };

export function readConditions(fields: KeyFields): ReadConditions {
  const match = fields.field('if-match');
  const noneMatch = fields.field('if-none-match');
  if (match === undefined && noneMatch === undefined) return UNCONDITIONAL;
  return {
    match: parseEntityTags(match, 'If-Match'),
    noneMatch: parseEntityTags(noneMatch, 'If-None-Match'),
  };
}

/** For an existing key, in RFC 9110's order (13.2.2). */
export function evaluateRead(
  conditions: ReadConditions,
  modRevision: Revision,
): 'send' | 'not-modified' | 'failed' {
  const { match, noneMatch } = conditions;
  if (match !== undefined && !includes(match, modRevision)) return 'failed';
  return noneMatch !== undefined && includes(noneMatch, modRevision) ? 'not-modified' : 'send';
}

function includes(tags: EntityTags, modRevision: Revision): boolean {
  return tags === '*' || tags.includes(modRevision);
}

/** Dates have a resolution of seconds: as a condition of a write they would lose updates. */
function refuseDates(fields: KeyFields): void {
  if (fields.field('if-unmodified-since') === undefined) return;
  throw new FailureException(
    failure('INVALID_ARGUMENT', 'If-Unmodified-Since is not supported: use If-Match.'),
  );
}
