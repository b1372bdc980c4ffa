/**
 * One client with one request at a time, on one kept connection: what a caller waits for. Every answer
 * is checked outside the measured time; the first error ends the run.
 */
import { percentiles } from '../measure/statistics.ts';
import { type Operation, randomKey } from '../systems/dialect.ts';
import type { Caller } from './calls.ts';
import type { LoadResult } from './load.ts';

/** Before the clock starts: the connection, and the code of client and server. */
const UNMEASURED_CALLS = 50;

export async function runSingleClient(
  caller: Caller,
  operation: Operation,
  seconds: number,
): Promise<LoadResult> {
  for (let call = 0; call < UNMEASURED_CALLS; call++) await caller.call(operation, randomKey());
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const key = randomKey();
    const start = performance.now();
    const reply = await caller.call(operation, key);
    latencies.push(performance.now() - start);
    caller.check(operation, reply);
  }
  return {
    succeeded: latencies.length,
    errors: 0,
    perSecond: latencies.length / seconds,
    latencyMs: percentiles(latencies),
  };
}
