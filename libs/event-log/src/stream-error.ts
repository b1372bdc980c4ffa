/**
 * What a failed call to JetStream means, from the client library's errors.
 *
 * A refusal that the caller expects has a code of the server (`apiCodeOf`) and is its business; all
 * else is one of a few kinds of being unavailable, for counters and log lines. Never by message text.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import {
  ClosedConnectionError,
  ConnectionError,
  DrainingConnectionError,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from 'nats';

export const StreamErrorKind = {
  /** No connection to a server just now. */
  disconnected: 'disconnected',
  /** No answer in time: it may have been done. */
  timeout: 'timeout',
  /** Nobody answers: the server runs without JetStream, or it has shut it down. */
  notEnabled: 'not-enabled',
  /** The user of this process may not do it. */
  denied: 'denied',
  /** The server said no: its disk or the account's limits are full, or a stream of others is in the way. */
  refused: 'refused',
} as const;
export type StreamErrorKind = (typeof StreamErrorKind)[keyof typeof StreamErrorKind];

/** The server's code for its refusal (`JetStreamApiCodes`). */
export function apiCodeOf(error: unknown): number | undefined {
  return causesOf(error).find((each) => each instanceof JetStreamApiError)?.code;
}

export function hadNoResponders(error: unknown): boolean {
  return causesOf(error).some((each) => each instanceof NoRespondersError);
}

export function streamErrorKind(error: unknown): StreamErrorKind {
  const causes = causesOf(error);
  const has = (...kinds: readonly (new (...args: never[]) => Error)[]): boolean =>
    causes.some((each) => kinds.some((kind) => each instanceof kind));
  const code = apiCodeOf(error);
  if (hadNoResponders(error) || code === JETSTREAM_NOT_ENABLED_FOR_ACCOUNT) {
    return StreamErrorKind.notEnabled;
  }
  if (code !== undefined) return StreamErrorKind.refused;
  if (has(TimeoutError)) return StreamErrorKind.timeout;
  if (has(PermissionViolationError)) return StreamErrorKind.denied;
  // Why last: a `RequestError` is around each of the above as well.
  const lost = has(ClosedConnectionError, DrainingConnectionError, ConnectionError, RequestError);
  return lost ? StreamErrorKind.disconnected : StreamErrorKind.refused;
}

const JETSTREAM_NOT_ENABLED_FOR_ACCOUNT = 10_039;
const CAUSES_MAX = 8;

/** The error and what it was caused by, outermost first. */
function causesOf(error: unknown): readonly unknown[] {
  const causes: unknown[] = [];
  for (let each = error; each instanceof Error && causes.length < CAUSES_MAX; each = each.cause) {
    causes.push(each);
  }
  return causes;
}
