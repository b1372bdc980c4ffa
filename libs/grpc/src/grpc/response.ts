/** Header blocks of responses, and the prefix of a message; what can be made once is. */
import { encodeHeaders } from '../hpack/header-encoder.ts';
import { statusFields, type Status } from './status.ts';

export const PREFIX_BYTES = 5;

const START = [
  { name: ':status', value: '200' },
  { name: 'content-type', value: 'application/grpc' },
];
export const RESPONSE_HEADERS = encodeHeaders(START);
export const OK_TRAILERS = encodeHeaders([{ name: 'grpc-status', value: '0' }]);

/** The block behind the messages. */
export function trailers(status: Status): Buffer {
  return encodeHeaders(statusFields(status));
}

/** The block of a response without messages (Trailers-Only). */
export function onlyTrailers(status: Status): Buffer {
  return encodeHeaders([...START, ...statusFields(status)]);
}

const sharedPrefix = Buffer.alloc(PREFIX_BYTES);

/** The prefix of an uncompressed message, valid until the next call. */
export function messagePrefix(length: number): Buffer {
  sharedPrefix[1] = length >>> 24;
  sharedPrefix[2] = length >>> 16;
  sharedPrefix[3] = length >>> 8;
  sharedPrefix[4] = length;
  return sharedPrefix;
}
