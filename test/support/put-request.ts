/** A plain put, and what a test wants different about it. */
import type { PutRequest } from '@kvstore/cluster-client';
import { encodeUtf8 } from '@kvstore/std';

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
