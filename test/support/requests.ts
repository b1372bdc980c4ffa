/** A plain get and a plain put, and what a test wants different about them. */
import type { GetRequest, PutRequest } from '@kvstore/cluster-client';
import { encodeUtf8 } from '@kvstore/std';

export function get(key: string, more: Partial<GetRequest> = {}): GetRequest {
  return {
    namespace: 'default',
    key: encodeUtf8(key),
    consistency: { kind: 'linearizable' },
    minRevision: undefined,
    atRevision: undefined,
    ...more,
  };
}

export function put(key: string, value: string, more: Partial<PutRequest> = {}): PutRequest {
  return {
    kind: 'put',
    namespace: 'default',
    key: encodeUtf8(key),
    value: encodeUtf8(value),
    contentType: 'text/plain',
    tags: [],
    ttlMs: undefined,
    conditions: [],
    principal: 'anonymous',
    idempotencyKey: undefined,
    ...more,
  };
}
