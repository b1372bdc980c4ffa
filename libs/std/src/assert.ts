/**
 * Assertions that stay on in production: a violated invariant is a bug, and a crashed replica is
 * safe where a wrong one is not. Nobody catches an `InvariantError`; the process exits.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws `InvariantError` unless `condition` holds. Build no message string on a hot path. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** The end of an exhaustive `switch`: a compile-time error when a case is missing. */
export function assertNever(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}
