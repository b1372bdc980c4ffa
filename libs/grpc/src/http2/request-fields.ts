/**
 * Whether a list of header fields is a request of HTTP/2 (RFC 9113, sections 8.2, 8.3.1 and 8.1.1):
 * pseudo-fields once, first, known; names in lower case; no field of a connection; no control octets.
 */
import type { HeaderField } from '../hpack/static-table.ts';

export type FieldsCheck =
  | { readonly kind: 'malformed' }
  | { readonly kind: 'well-formed'; readonly contentLength: number | undefined };

const MALFORMED: FieldsCheck = { kind: 'malformed' };
const PSEUDO = new Set([':method', ':scheme', ':path', ':authority']);
const OF_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\0\r\n]|^[ \t]|[ \t]$/;
const CONTENT_LENGTH = /^\d{1,15}$/;

export function checkRequestFields(fields: readonly HeaderField[]): FieldsCheck {
  const pseudo = new Set<string>();
  let contentLength: number | undefined;
  let regular = false;
  for (const { name, value } of fields) {
    if (FORBIDDEN.test(value)) return MALFORMED;
    if (name.startsWith(':')) {
      if (regular || !PSEUDO.has(name) || pseudo.has(name)) return MALFORMED;
      pseudo.add(name);
      continue;
    }
    regular = true;
    if (!isRegular(name, value)) return MALFORMED;
    if (name !== 'content-length') continue;
    if (!CONTENT_LENGTH.test(value)) return MALFORMED;
    if (contentLength !== undefined && contentLength !== Number(value)) return MALFORMED;
    contentLength = Number(value);
  }
  const whole = pseudo.has(':method') && pseudo.has(':scheme') && pseudo.has(':path');
  return whole ? { kind: 'well-formed', contentLength } : MALFORMED;
}

/** Trailers carry no pseudo-fields. */
export function checkTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(({ name, value }) => isRegular(name, value) && !FORBIDDEN.test(value));
}

function isRegular(name: string, value: string): boolean {
  if (!TOKEN.test(name) || OF_CONNECTION.has(name)) return false;
  return name !== 'te' || value === 'trailers';
}
