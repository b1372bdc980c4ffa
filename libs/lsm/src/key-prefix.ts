/** Prefixes of keys as bounds. */

/** The smallest key above every key that begins with these bytes; undefined when there is none. */
export function prefixEnd(key: Uint8Array, prefixLength: number): Uint8Array | undefined {
  let length = prefixLength;
  while (length > 0 && key[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const end = key.slice(0, length);
  end[length - 1] = (end[length - 1] as number) + 1;
  return end;
}

export function sharesPrefix(a: Uint8Array, b: Uint8Array, prefixLength: number): boolean {
  if (a.length < prefixLength || b.length < prefixLength) return false;
  for (let i = 0; i < prefixLength; i++) if (a[i] !== b[i]) return false;
  return true;
}
