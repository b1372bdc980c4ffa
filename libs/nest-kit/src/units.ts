/**
 * Text forms of durations and byte sizes, as configuration, URLs and flags write them.
 *
 * A duration is `<integer>(ms|s|m|h|d)`, a bare integer is seconds. A size is `<integer>` bytes or
 * `<integer>(KB|MB|GB|KiB|MiB|GiB)`; both spellings are powers of 1024, as in BadgerDB's options.
 * Parsers answer undefined for anything else: no sign, no fraction, no space, nothing above 2^53-1.
 */
const DURATION = /^(\d{1,16})(ms|s|m|h|d)?$/;
const BYTE_SIZE = /^(\d{1,16})(?:(K|M|G)i?B|B)?$/;

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES_PER_UNIT = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 } as const;

/** Milliseconds, 0..2^53-1. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? 's') as keyof typeof MS_PER_UNIT;
  return exact(Number(match[1]) * MS_PER_UNIT[unit]);
}

/** Bytes, 0..2^53-1. */
export function parseByteSize(text: string): number | undefined {
  const match = BYTE_SIZE.exec(text);
  if (match === null) return undefined;
  const unit = match[2] as keyof typeof BYTES_PER_UNIT | undefined;
  return exact(Number(match[1]) * (unit === undefined ? 1 : BYTES_PER_UNIT[unit]));
}

function exact(value: number): number | undefined {
  return Number.isSafeInteger(value) ? value : undefined;
}
