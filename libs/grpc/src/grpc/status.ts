/** Status of a call (gRPC, statuscodes.md) and how it stands in header fields. */
import type { HeaderField } from '../hpack/static-table.ts';

export const StatusCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** A value under a name that ends in `-bin` is bytes, any other is printable ASCII. */
export type ResponseMetadata = Readonly<Record<string, string | Uint8Array>>;

export interface Status {
  readonly code: number;
  readonly message: string;
  readonly metadata?: ResponseMetadata;
}

const PLAIN = /^[\x20-\x24\x26-\x7e]*$/;
const OUTER_SPACE = /^ | $/g;
const NAME = /^[a-z0-9_.-]+$/;
// oxlint-disable-next-line no-control-regex
const NOT_ASCII = /[^\x20-\x7e]/g;

export function statusFields(status: Status): readonly HeaderField[] {
  const fields = [{ name: 'grpc-status', value: String(status.code) }];
  if (status.message !== '') {
    fields.push({ name: 'grpc-message', value: percentEncode(status.message) });
  }
  for (const [name, value] of Object.entries(status.metadata ?? {})) {
    if (NAME.test(name)) fields.push({ name, value: metadataValue(name, value) });
  }
  return fields;
}

/**
 * Octets outside printable ASCII, and the percent sign, as `%XX` of their UTF-8; and spaces at the ends,
 * which HTTP does not allow there.
 */
function percentEncode(text: string): string {
  if (PLAIN.test(text)) return text.replaceAll(OUTER_SPACE, '%20');
  let encoded = '';
  for (const octet of Buffer.from(text, 'utf8')) {
    const plain = octet >= 0x20 && octet <= 0x7e && octet !== 0x25;
    encoded += plain
      ? String.fromCharCode(octet)
      : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded.replaceAll(OUTER_SPACE, '%20');
}

function metadataValue(name: string, value: string | Uint8Array): string {
  if (typeof value === 'string' && !name.endsWith('-bin')) {
    return value.replaceAll(NOT_ASCII, '?').trim();
  }
  return Buffer.from(value as Uint8Array)
    .toString('base64')
    .replace(/=+$/, '');
}
