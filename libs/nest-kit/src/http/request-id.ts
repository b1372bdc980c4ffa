/**
 * `X-Request-Id`: the client's own when it is 1..128 printable ASCII characters, else one that is
 * unique across processes (a random prefix per process) and cheap (a counter).
 */
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

const ACCEPTED = /^[\x21-\x7e]{1,128}$/;
const prefix = randomBytes(6).toString('hex');
let count = 0;

/** `given`: what the client sent under `REQUEST_ID_HEADER`. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && ACCEPTED.test(given) ? given : newRequestId();
}

/** Of a request that Node has read. */
export function requestIdIn(headers: IncomingHttpHeaders): string {
  const given = headers[REQUEST_ID_HEADER];
  return requestIdOf(typeof given === 'string' ? given : undefined);
}

export function newRequestId(): string {
  return `${prefix}-${(count++).toString(36)}`;
}
