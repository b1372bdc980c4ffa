/** The static table of HPACK (RFC 7541, appendix A). Index 1 is the first entry; 0 is no index. */

export interface HeaderField {
  /** Octets as Latin-1 text, in lower case when the request is well-formed. */
  readonly name: string;
  /** Octets as Latin-1 text. */
  readonly value: string;
}

const WITH_VALUE: readonly (readonly [string, string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
];

const NAMES_ONLY =
  'accept-language accept-ranges accept access-control-allow-origin age allow authorization ' +
  'cache-control content-disposition content-encoding content-language content-length ' +
  'content-location content-range content-type cookie date etag expect expires from host if-match ' +
  'if-modified-since if-none-match if-range if-unmodified-since last-modified link location ' +
  'max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server ' +
  'set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate';

export const STATIC_TABLE: readonly HeaderField[] = [
  { name: '', value: '' },
  ...WITH_VALUE.map(([name, value]) => ({ name, value })),
  ...NAMES_ONLY.split(' ').map((name) => ({ name, value: '' })),
];

/** 61: the first index of the dynamic table is one above. */
export const STATIC_INDEX_MAX = STATIC_TABLE.length - 1;
