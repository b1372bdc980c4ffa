/** UTF-8 text of names and small fields. Values are bytes and never pass through here. */
import { DecodeError } from './bytes.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Lone surrogates become U+FFFD: reject them before, where a user's text comes in. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Throws `DecodeError` when the bytes are not well-formed UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new DecodeError('not UTF-8');
  }
}
