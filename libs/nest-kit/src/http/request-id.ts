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

export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && ACCEPTED.test(given) ? given : newRequestId();
}

export function newRequestId(): string {
  return `${prefix}-${(count++).toString(36)}`;
}
