/**
 * One protocol's way to the store, with every answer in the terms of a history.
 *
 * What a client may believe
 *   1. 'not-applied': the service said so by a code that promises it, or no byte was sent
 *   2. 'unknown': everything else without an answer, such as a lost connection or an own time-out
 *   3. any other refusal is a fault of the workload or of the service, and throws
 */
import type { DeleteOperation, GetOperation, PutOperation, WriteCondition } from '@kvstore/testing';

export interface PutCall {
  readonly key: string;
  readonly value: string;
  readonly condition?: WriteCondition | undefined;
  readonly idempotencyKey?: string;
}

export interface StoreClient {
  readonly protocol: 'rest' | 'grpc';
  put(call: PutCall): Promise<PutOperation['result']>;
  delete(key: string, condition?: WriteCondition): Promise<DeleteOperation['result']>;
  /** Linearizable. */
  get(key: string): Promise<GetOperation['result']>;
  close(): void;
}

/** The service waits for so long; a client for somewhat longer. */
export const REQUEST_TIMEOUT_MS = 5_000;
export const CLIENT_TIMEOUT_MS = 8_000;

/** As libs/contract promises: nothing was written. */
const NOT_APPLIED: ReadonlySet<string> = new Set([
  'NO_LEADER',
  'UNAVAILABLE',
  'OVERLOADED',
  'RATE_LIMITED',
  'DEADLINE_EXCEEDED',
]);

type Undecided = Extract<PutOperation['result'], { readonly code: string }>;

/** Of a write that the service did not do, by the code that it told. Throws for a refusal. */
export function undecided(code: string): Undecided {
  if (NOT_APPLIED.has(code)) return { kind: 'not-applied', code };
  if (code === 'COMMIT_UNKNOWN') return { kind: 'unknown', code };
  throw new Error(`the service refused a request of the workload: ${code}`);
}

/** Of a write whose answer never came. */
export function unanswered(error: unknown): Undecided {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return code === 'ECONNREFUSED' ? { kind: 'not-applied', code } : { kind: 'unknown', code };
}

/** The members of a refusal that a failed condition tells. */
export function conditionFailed(
  told: (name: string) => unknown,
): Extract<PutOperation['result'], { kind: 'condition-failed' }> {
  const [version, modRevision, revision] = ['version', 'mod_revision', 'revision'].map((name) =>
    Number(told(name)),
  ) as [number, number, number];
  return { kind: 'condition-failed', version, modRevision, revision };
}
