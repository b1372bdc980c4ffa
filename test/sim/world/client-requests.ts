/** What a simulated client asks for, and how an answer of the cluster client reads in a history. */
import type { GetRequest, GetResult, WriteRequest, WriteResult } from '@kvstore/cluster-client';
import { RejectCode } from '@kvstore/state-machine';
import type { Condition } from '@kvstore/state-machine';
import { decodeUtf8, encodeUtf8, revision } from '@kvstore/std';
import type { DeleteOperation, GetOperation, PutOperation, WriteCondition } from '@kvstore/testing';

export const NAMESPACE = 'sim';

export type WriteResultInHistory = PutOperation['result'] | DeleteOperation['result'];

/** Failures after which a write has certainly not happened; everything else is unknown. */
const CERTAIN = new Set(['NO_LEADER', 'DEADLINE_EXCEEDED', 'OVERLOADED', 'UNAVAILABLE']);

export interface WritePlan {
  readonly kind: 'put' | 'delete';
  readonly key: string;
  readonly value: string;
  readonly condition: WriteCondition | undefined;
  readonly idempotencyKey: string | undefined;
  readonly ttlMs?: number;
}

export function writeRequest(plan: WritePlan): WriteRequest {
  const shared = {
    namespace: NAMESPACE,
    key: encodeUtf8(plan.key),
    conditions: conditionsOf(plan.condition),
    principal: 'sim',
    idempotencyKey: plan.idempotencyKey,
  };
  if (plan.kind === 'delete') return { ...shared, kind: 'delete' };
  return {
    ...shared,
    kind: 'put',
    value: encodeUtf8(plan.value),
    contentType: 'text/plain',
    tags: [],
    ttlMs: plan.ttlMs,
  };
}

function conditionsOf(condition: WriteCondition | undefined): Condition[] {
  if (condition === undefined) return [];
  if (condition.kind === 'absent') return [{ kind: 'absent' }];
  return [{ kind: 'mod-revision-in', revisions: [revision(condition.modRevision)] }];
}

export function writtenResult(result: WriteResult): WriteResultInHistory {
  if (result.kind === 'failure') {
    const { code } = result;
    return { kind: CERTAIN.has(code) ? 'not-applied' : 'unknown', code };
  }
  const { outcome } = result;
  switch (outcome.kind) {
    case 'put': {
      const { version, createRevision } = outcome;
      return { kind: 'written', version, createRevision, revision: outcome.revision };
    }
    case 'deleted':
      return { kind: 'deleted', revision: outcome.revision, existed: outcome.existed };
    case 'rejected':
      if (outcome.code !== RejectCode.conditionFailed) break;
      return {
        kind: 'condition-failed',
        version: outcome.actualVersion,
        modRevision: outcome.actualModRevision,
        revision: outcome.revision,
      };
    default:
  }
  throw new Error(`a write ended as ${outcome.kind}: ${JSON.stringify(outcome)}`);
}

export function getRequest(key: string, consistency: GetRequest['consistency']): GetRequest {
  return {
    namespace: NAMESPACE,
    key: encodeUtf8(key),
    consistency,
    minRevision: undefined,
    atRevision: undefined,
  };
}

export function readResult(result: GetResult): GetOperation['result'] {
  if (result.kind === 'failure') return { kind: 'not-applied', code: result.code };
  if (result.kind === 'not-found') return { kind: 'not-found', revision: result.revision };
  const { value, version, modRevision, createRevision } = result.entry;
  return {
    kind: 'found',
    value: decodeUtf8(value),
    version,
    modRevision,
    createRevision,
    revision: result.revision,
  };
}
