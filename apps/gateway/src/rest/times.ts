/**
 * Times in answers. Formatting a `Date` is a visible part of a request's cost, and the times of nearby
 * requests share their minute or second, so the unchanging parts are kept.
 */
import type { LogTimeMs } from '@kvstore/std';

const MINUTE_MS = 60_000;
const REMEMBERED = 64;

/** ISO 8601 UTC with milliseconds. */
export function isoTime(time: LogTimeMs): string {
  const withinMinute = time % MINUTE_MS;
  const seconds = Math.trunc(withinMinute / 1_000);
  return `${minuteText((time - withinMinute) / MINUTE_MS)}${pad2(seconds)}.${pad3(withinMinute % 1_000)}Z`;
}

/** An HTTP date (RFC 9110, 5.6.7), whole seconds. */
export function httpDate(time: LogTimeMs): string {
  return secondText(Math.trunc(time / 1_000));
}

/** `2026-01-02T03:04:` */
const minuteText = remembered((minute) => new Date(minute * MINUTE_MS).toISOString().slice(0, -7));
const secondText = remembered((second) => new Date(second * 1_000).toUTCString());

/** A direct-mapped cache. */
function remembered(format: (unit: number) => string): (unit: number) => string {
  const units = new Float64Array(REMEMBERED).fill(-1);
  const texts = new Array<string>(REMEMBERED).fill('');
  return (unit) => {
    const slot = unit % REMEMBERED;
    if (units[slot] !== unit) {
      units[slot] = unit;
      texts[slot] = format(unit);
    }
    return texts[slot] as string;
  };
}

function pad2(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

function pad3(value: number): string {
  return value < 100 ? `0${pad2(value)}` : `${value}`;
}
