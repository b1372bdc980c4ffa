/** gRPC messages into requests of `KvApi`. Throws `FailureException` for what a message cannot mean. */
import type { Consistency, DeleteRequest, GetRequest, PutRequest } from '@kvstore/cluster-client';
import { failure } from '@kvstore/contract';
import { FailureException } from '@kvstore/nest-kit';
import type { Condition } from '@kvstore/state-machine';
import { isCount, revision, type Revision } from '@kvstore/std';
import { ANONYMOUS, DEFAULT_CONTENT_TYPE, DEFAULT_NAMESPACE } from '../kv/kv-input.ts';
import {
  ConsistencyNumber,
  type Conditions,
  type DeleteMessage,
  type GetMessage,
  type PutMessage,
} from './messages.ts';

export function decodePut(message: PutMessage): PutRequest {
  return {
    kind: 'put',
    ...onKey(message),
    value: message.value,
    contentType: message.content_type || DEFAULT_CONTENT_TYPE,
    tags: tagsOf(message.tags),
    ttlMs: message.ttl_seconds === 0 ? undefined : message.ttl_seconds * 1_000,
  };
}

const NO_TAGS: PutRequest['tags'] = [];

function tagsOf(tags: ReadonlyMap<string, string> | undefined): PutRequest['tags'] {
  if (tags === undefined) return NO_TAGS;
  return Array.from(tags, ([name, value]) => ({ name, value }));
}

export function decodeDelete(message: DeleteMessage): DeleteRequest {
  return { kind: 'delete', ...onKey(message) };
}

export function decodeGet(message: GetMessage): GetRequest {
  const minRevision = optionalRevision(message.min_revision, 'min_revision');
  return {
    namespace: message.namespace || DEFAULT_NAMESPACE,
    key: message.key,
    consistency: consistencyOf(message.consistency, minRevision),
    minRevision,
    atRevision: optionalRevision(message.revision, 'revision'),
  };
}

function onKey(message: PutMessage | DeleteMessage): Omit<DeleteRequest, 'kind'> {
  return {
    namespace: message.namespace || DEFAULT_NAMESPACE,
    key: message.key,
    conditions: conditionsOf(message.conditions),
    principal: ANONYMOUS,
    idempotencyKey: message.idempotency_key || undefined,
  };
}

const NONE: readonly Condition[] = [];

function conditionsOf(message: Conditions | undefined): readonly Condition[] {
  if (message === undefined) return NONE;
  const { exists, version, mod_revision_in: within, mod_revision_not_in: without } = message;
  const conditions: Condition[] = [];
  if (exists === true) conditions.push({ kind: 'exists' });
  if (exists === false || version === 0) conditions.push({ kind: 'absent' });
  if (version !== undefined && version !== 0) {
    conditions.push({ kind: 'version-is', version: count(version, 'version') });
  }
  if (within.length > 0) {
    conditions.push({ kind: 'mod-revision-in', revisions: revisions(within, 'mod_revision_in') });
  }
  if (without.length > 0) {
    conditions.push({
      kind: 'mod-revision-not-in',
      revisions: revisions(without, 'mod_revision_not_in'),
    });
  }
  return conditions;
}

function consistencyOf(number: number, minRevision: Revision | undefined): Consistency {
  switch (number) {
    case ConsistencyNumber.unspecified:
    case ConsistencyNumber.linearizable:
      return { kind: 'linearizable' };
    case ConsistencyNumber.lease:
      return { kind: 'lease' };
    case ConsistencyNumber.eventual:
      return { kind: 'eventual' };
    case ConsistencyNumber.session:
      if (minRevision === undefined) return refuse('consistency SESSION needs min_revision');
      return { kind: 'session', minRevision };
    default:
      return refuse('consistency is not a value of Consistency');
  }
}

function optionalRevision(value: number, field: string): Revision | undefined {
  return value === 0 ? undefined : revision(count(value, field));
}

/** 0 is no revision that a key can have: a missing key would pass for it. */
function revisions(values: readonly number[], field: string): readonly Revision[] {
  return values.map((value) =>
    value === 0 ? refuse(`${field} holds 0`) : revision(count(value, field)),
  );
}

function count(value: number, field: string): number {
  return isCount(value) ? value : refuse(`${field} is above 2^53-1`);
}

function refuse(what: string): never {
  throw new FailureException(failure('INVALID_ARGUMENT', `The field ${what}.`));
}
