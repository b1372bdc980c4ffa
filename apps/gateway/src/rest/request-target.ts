/**
 * The key and the query in a request target such as `/api/v1/keys/a%2Fb?ttl=5s`.
 *
 * The key is everything after `/keys/`, percent-decoded once: `..`, `//`, a trailing slash, a
 * semicolon and NUL are part of it, and `/` and `%2F` are the same. It is cut from the raw target and
 * not taken from the router, which decodes with rules of its own.
 */
import { failure, type Failure } from '@kvstore/contract';
import { percentDecode } from './percent.ts';

const PREFIX = '/api/v1/keys/';
/** Slashes up to and including the one before the key. */
const PREFIX_SLASHES = 4;

export interface KeyTarget {
  readonly kind: 'target';
  readonly key: Uint8Array;
  /** Without the `?`; empty when there is none. */
  readonly query: string;
}

/** `url` was routed to `/api/v1/keys/*`. */
export function parseKeyTarget(url: string): KeyTarget | Failure {
  if (url.includes('#')) return failure('INVALID_ARGUMENT', 'A # in a URL must be sent as %23.');
  const start = url.startsWith(PREFIX) ? PREFIX.length : keyStart(url);
  const question = url.indexOf('?', start);
  const end = question === -1 ? url.length : question;
  const key = percentDecode(url.slice(start, end));
  if (key === undefined) {
    return failure(
      'INVALID_ARGUMENT',
      'A % in the key must be followed by two hexadecimal digits.',
    );
  }
  return { kind: 'target', key, query: question === -1 ? '' : url.slice(question + 1) };
}

export function queryOf(url: string): string {
  const question = url.indexOf('?');
  return question === -1 ? '' : url.slice(question + 1);
}

/** For targets in absolute form (RFC 9112, 3.2.2), or with percent-encoded letters before the key. */
function keyStart(url: string): number {
  let at = url.startsWith('/') ? 0 : url.indexOf('/', url.indexOf('://') + 3);
  for (let slashes = 1; slashes < PREFIX_SLASHES; slashes++) at = url.indexOf('/', at + 1);
  return at + 1;
}
