/** Points in log time, computed so that every replica gets the same integer. */
import type { LogTimeMs } from '@kvstore/std';

/**
 * 9999-12-31T23:59:59.999Z, the last time that a four-digit year can name (RFC 3339). What would
 * end later ends then.
 */
export const LOG_TIME_MAX = 253_402_300_799_999 as LogTimeMs;

/** `durationMs` after `time`, saturating at `LOG_TIME_MAX`. */
export function after(time: LogTimeMs, durationMs: number): LogTimeMs {
  return Math.min(time + durationMs, LOG_TIME_MAX) as LogTimeMs;
}
