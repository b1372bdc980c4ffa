/** Typed values of query parameters. Throws `FailureException`, answered as INVALID_ARGUMENT. */
import { failure, Limits } from '@kvstore/contract';
import type { Failure } from '@kvstore/contract';
import type { Consistency } from '@kvstore/cluster-client';
import { FailureException, parseDuration } from '@kvstore/nest-kit';
import type { Tag } from '@kvstore/state-machine';
import { revision, type Revision } from '@kvstore/std';
import { DEFAULT_NAMESPACE } from '../kv/kv-input.ts';
import type { Query } from './query.ts';

export function orThrow<T extends { readonly kind: string }>(value: T | Failure): T {
  if (isFailure(value)) throw new FailureException(value);
  return value;
}

function isFailure(value: { readonly kind: string }): value is Failure {
  return value.kind === 'failure';
}

export function namespaceOf(query: Query): string {
  return query.get('namespace') ?? DEFAULT_NAMESPACE;
}

export function timeoutOf(query: Query): number {
  return durationOf(query, 'timeout') ?? Limits.timeoutMsDefault;
}

export function durationOf(query: Query, name: string): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  return parseDuration(text) ?? refuse(`${name} must be a duration, <integer>(ms|s|m|h|d)`);
}

const INTEGER = /^\d{1,16}$/;

export function integerOf(query: Query, name: string): number | undefined {
  const text = query.get(name);
  if (text === undefined) return undefined;
  const value = INTEGER.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : refuse(`${name} must be an integer of 0 to 2^53-1`);
}

export function revisionOf(query: Query, name: string): Revision | undefined {
  const value = integerOf(query, name);
  return value === undefined ? undefined : revision(value);
}

export function booleanOf(query: Query, name: string): boolean {
  const text = query.get(name);
  if (text === undefined || text === 'false') return false;
  return text === 'true' || refuse(`${name} must be true or false`);
}

/** `tag=name=value`, repeatable; the value may hold further `=` signs. */
export function tagsOf(query: Query): readonly Tag[] {
  return query.all('tag').map((text) => {
    const equals = text.indexOf('=');
    if (equals === -1) return refuse('tag must be written as tag=name=value');
    return { name: text.slice(0, equals), value: text.slice(equals + 1) };
  });
}

const LINEARIZABLE: Consistency = { kind: 'linearizable' };

export function consistencyOf(query: Query, minRevision: Revision | undefined): Consistency {
  const text = query.get('consistency');
  switch (text) {
    case undefined:
    case 'linearizable':
      return LINEARIZABLE;
    case 'lease':
    case 'eventual':
      return { kind: text };
    case 'session':
      if (minRevision === undefined) return refuse('consistency=session needs min_revision');
      return { kind: 'session', minRevision };
    default:
      return refuse('consistency must be linearizable, lease, session or eventual');
  }
}

function refuse(what: string): never {
  throw new FailureException(failure('INVALID_ARGUMENT', `The query parameter ${what}.`));
}
