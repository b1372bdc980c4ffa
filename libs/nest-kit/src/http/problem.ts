/**
 * Failures as `application/problem+json` (RFC 9457), and the exception that carries one through
 * Nest. A problem holds the code's row of the error table, one sentence about this request, and
 * never a stack, a path or a message of a library.
 */
import type { ServerResponse } from 'node:http';
import { errorRow, type ErrorCode, type Failure } from '@kvstore/contract';
import { REQUEST_ID_HEADER } from './request-id.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly request_id: string;
  readonly retryable: boolean;
  readonly [member: string]: string | number | boolean;
}

export type ProblemHeaders = Record<string, string | number>;

export function problemOf(failure: Failure, requestId: string): Problem {
  const row = errorRow(failure.code);
  return {
    ...failure.extra,
    type: `urn:kvstore:error:${failure.code}`,
    title: row.title,
    status: row.http,
    detail: failure.detail,
    code: failure.code,
    request_id: requestId,
    retryable: row.retryable,
  };
}

/** Body and headers of the answer; Content-Length is for whoever writes it. */
export function problemAnswer(
  failure: Failure,
  requestId: string,
): { readonly status: number; readonly headers: ProblemHeaders; readonly body: Buffer } {
  const problem = problemOf(failure, requestId);
  const body = Buffer.from(JSON.stringify(problem));
  const headers: ProblemHeaders = {
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    [REQUEST_ID_HEADER]: requestId,
  };
  const retryAfter = retryAfterSeconds(failure);
  if (retryAfter !== undefined) headers['retry-after'] = retryAfter;
  return { status: problem.status, headers, body };
}

/** Answers with the problem. `more` may add headers, e.g. `allow`. */
export function writeProblem(
  response: ServerResponse,
  failure: Failure,
  requestId: string,
  more: ProblemHeaders = {},
): void {
  const { status, headers, body } = problemAnswer(failure, requestId);
  response.writeHead(status, { ...headers, ...more, 'content-length': body.length });
  response.end(body);
}

/** A failure on its way to the problem filter. Thrown at edges only, never by cores. */
export class FailureException extends Error {
  override readonly name = 'FailureException';
  readonly failure: Failure;
  readonly headers: ProblemHeaders;

  constructor(failure: Failure, headers: ProblemHeaders = {}) {
    super(failure.detail);
    this.failure = failure;
    this.headers = headers;
  }
}

const RETRY_AFTER_DEFAULT_MS = 1_000;
const withRetryAfter: ReadonlySet<ErrorCode> = new Set([
  'RATE_LIMITED',
  'OVERLOADED',
  'NO_LEADER',
  'UNAVAILABLE',
]);

function retryAfterSeconds(failure: Failure): number | undefined {
  if (failure.retryAfterMs === undefined && !withRetryAfter.has(failure.code)) return undefined;
  return Math.max(1, Math.ceil((failure.retryAfterMs ?? RETRY_AFTER_DEFAULT_MS) / 1_000));
}
