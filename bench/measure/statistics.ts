/** Medians and percentiles of small samples; exact, by sorting. */

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The middle value, or the mean of the two in the middle; of no values NaN. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(at)] ?? Number.NaN) + (sorted[Math.ceil(at)] ?? Number.NaN)) / 2;
}

/** By nearest rank: the smallest value that at least so many percent do not exceed. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  return { p50: ranked(sorted, 0.5), p95: ranked(sorted, 0.95), p99: ranked(sorted, 0.99) };
}

/** The median of each percentile. */
export function medianPercentiles(all: readonly Percentiles[]): Percentiles {
  return {
    p50: median(all.map((one) => one.p50)),
    p95: median(all.map((one) => one.p95)),
    p99: median(all.map((one) => one.p99)),
  };
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

export function round(value: number, decimals = 2): number {
  const factor = 10 ** decimals;
  return Math.round(value * factor) / factor;
}

function ranked(sorted: readonly number[], fraction: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}
