/** What any load generator tells about its run. */
import type { Percentiles } from '../measure/statistics.ts';

export interface LoadResult {
  /** Completed requests that looked good from outside. */
  readonly succeeded: number;
  /** Failures that the generator saw: of the connection, by time, by status. */
  readonly errors: number;
  readonly perSecond: number;
  /** undefined: this generator tells none. */
  readonly latencyMs: Percentiles | undefined;
}

/** Makes load for the given time. */
export type Load = (seconds: number) => Promise<LoadResult>;
