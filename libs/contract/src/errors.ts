/**
 * The one table of public errors: code → HTTP, gRPC and GraphQL. Every protocol edge maps through
 * it and the reference page is generated from it.
 */
import { assert } from '@kvstore/std';

interface ErrorRow {
  readonly title: string;
  readonly http: number;
  /** Numeric gRPC status (google.rpc.Code). */
  readonly grpc: number;
  /** `extensions.code` of a GraphQL error. */
  readonly graphql: string;
  /** The same request may succeed later, and repeating it is safe. */
  readonly retryable: boolean;
  readonly remedy: string;
}

export const GrpcStatus = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const row = (
  http: number,
  grpc: number,
  retryable: boolean,
  title: string,
  remedy: string,
): Omit<ErrorRow, 'graphql'> => ({ http, grpc, retryable, title, remedy });

const rows = {
  INVALID_ARGUMENT: row(
    400,
    GrpcStatus.invalidArgument,
    false,
    'Invalid argument',
    'Correct the request as the detail says.',
  ),
  KEY_TOO_LONG: row(
    400,
    GrpcStatus.invalidArgument,
    false,
    'Key too long',
    'Use a key of at most 1024 bytes of UTF-8.',
  ),
  CURSOR_INVALID: row(
    400,
    GrpcStatus.invalidArgument,
    false,
    'Cursor invalid',
    'Start the listing again without a cursor.',
  ),
  UNAUTHENTICATED: row(
    401,
    GrpcStatus.unauthenticated,
    false,
    'Unauthenticated',
    'Send valid credentials.',
  ),
  PERMISSION_DENIED: row(
    403,
    GrpcStatus.permissionDenied,
    false,
    'Permission denied',
    'Ask for the missing permission.',
  ),
  KEY_NOT_FOUND: row(
    404,
    GrpcStatus.notFound,
    false,
    'Key not found',
    'Check the key and the namespace.',
  ),
  LEASE_NOT_FOUND: row(
    404,
    GrpcStatus.notFound,
    false,
    'Lease not found',
    'Create the lease again; it may have expired.',
  ),
  ROUTE_NOT_FOUND: row(
    404,
    GrpcStatus.unimplemented,
    false,
    'Route not found',
    'Check the path against the API reference.',
  ),
  METHOD_NOT_ALLOWED: row(
    405,
    GrpcStatus.unimplemented,
    false,
    'Method not allowed',
    'Use one of the methods in the Allow header.',
  ),
  NOT_ACCEPTABLE: row(
    406,
    GrpcStatus.invalidArgument,
    false,
    'Not acceptable',
    'Accept one of the offered media types.',
  ),
  REQUEST_TIMEOUT: row(
    408,
    GrpcStatus.deadlineExceeded,
    true,
    'Request timeout',
    'Send the whole request within the time limit.',
  ),
  CONDITION_FAILED: row(
    412,
    GrpcStatus.failedPrecondition,
    false,
    'Condition failed',
    'Read the key again and decide on its present state.',
  ),
  REVISION_COMPACTED: row(
    410,
    GrpcStatus.outOfRange,
    false,
    'Revision compacted',
    'Read at a newer revision.',
  ),
  VALUE_TOO_LARGE: row(
    413,
    GrpcStatus.invalidArgument,
    false,
    'Value too large',
    'Send a smaller value.',
  ),
  IDEMPOTENCY_CONFLICT: row(
    422,
    GrpcStatus.aborted,
    false,
    'Idempotency conflict',
    'Use a new idempotency key for a different request.',
  ),
  RATE_LIMITED: row(
    429,
    GrpcStatus.resourceExhausted,
    true,
    'Rate limited',
    'Retry after the time in Retry-After.',
  ),
  OVERLOADED: row(
    429,
    GrpcStatus.resourceExhausted,
    true,
    'Overloaded',
    'Retry after the time in Retry-After.',
  ),
  HEADERS_TOO_LARGE: row(
    431,
    GrpcStatus.invalidArgument,
    false,
    'URL or headers too large',
    'Send a URL and headers of at most 16 KiB.',
  ),
  QUOTA_EXCEEDED: row(
    507,
    GrpcStatus.resourceExhausted,
    false,
    'Quota exceeded',
    'Delete data or ask for a larger quota.',
  ),
  NO_LEADER: row(
    503,
    GrpcStatus.unavailable,
    true,
    'No leader',
    'Retry after the time in Retry-After.',
  ),
  UNAVAILABLE: row(
    503,
    GrpcStatus.unavailable,
    true,
    'Unavailable',
    'Retry after the time in Retry-After.',
  ),
  DEADLINE_EXCEEDED: row(
    504,
    GrpcStatus.deadlineExceeded,
    true,
    'Deadline exceeded',
    'The request was certainly not applied: retry, with a longer timeout if needed.',
  ),
  COMMIT_UNKNOWN: row(
    504,
    GrpcStatus.unknown,
    false,
    'Commit unknown',
    'The write may have been applied: read the key, or retry with an idempotency key.',
  ),
  UNIMPLEMENTED: row(
    501,
    GrpcStatus.unimplemented,
    false,
    'Unimplemented',
    'This version does not offer it.',
  ),
  INTERNAL: row(
    500,
    GrpcStatus.internal,
    false,
    'Internal error',
    'Report it with the request id.',
  ),
} as const;

export type ErrorCode = keyof typeof rows;

export const ErrorCodes = Object.keys(rows) as readonly ErrorCode[];

export function errorRow(code: ErrorCode): ErrorRow {
  const found = rows[code];
  assert(found !== undefined, 'unknown error code');
  return { ...found, graphql: code };
}

/** An answer that is not a success, on its way to a protocol edge. Expected: never thrown by cores. */
export interface Failure {
  readonly kind: 'failure';
  readonly code: ErrorCode;
  /** What exactly was wrong with this request, in one sentence. */
  readonly detail: string;
  readonly retryAfterMs?: number;
  /** Further members of the problem document, e.g. the actual revision. */
  readonly extra?: Readonly<Record<string, string | number | boolean>>;
}

export function failure(
  code: ErrorCode,
  detail: string,
  more: Pick<Failure, 'retryAfterMs' | 'extra'> = {},
): Failure {
  return { kind: 'failure', code, detail, ...more };
}
