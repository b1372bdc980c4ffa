/**
 * Percent-decoding (RFC 3986, 2.1) to bytes, exactly once and without normalising anything. The text is
 * ASCII: Node's parser refuses a request target with any other byte.
 */
const PERCENT = 0x25;
const PLUS = 0x2b;
const SPACE = 0x20;

/** Undefined when a `%` is not followed by two hexadecimal digits. */
export function percentDecode(text: string, plusIsSpace = false): Buffer | undefined {
  if (!text.includes('%') && !(plusIsSpace && text.includes('+')))
    return Buffer.from(text, 'latin1');
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let byte = text.charCodeAt(i);
    if (byte === PERCENT) {
      const high = hexDigit(text.charCodeAt(i + 1));
      const low = hexDigit(text.charCodeAt(i + 2));
      if (high < 0 || low < 0) return undefined;
      byte = high * 16 + low;
      i += 2;
    } else if (byte === PLUS && plusIsSpace) byte = SPACE;
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

/** -1 when it is none (also for NaN, past the end). */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
