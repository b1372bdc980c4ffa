/**
 * What all clients of a workload saw, on one monotonic clock: the history for the checker, and of
 * the writes when they were acknowledged and how long each took.
 */
import type { Operation } from '@kvstore/testing';

/** What a client has done is given to it before it waits for anything else. */
export class Recorder {
  readonly history: Operation[] = [];
  /** When each client was last answered with a success. */
  readonly #served = new Map<number, number>();

  now(): number {
    return performance.now();
  }

  add(operation: Operation): void {
    this.history.push(operation);
    if (isAnswered(operation)) this.#served.set(operation.client, operation.return);
  }

  /** When the client that waits longest was last answered; nothing yet: -Infinity. */
  servedSince(clients: readonly number[]): number {
    return Math.min(...clients.map((each) => this.#served.get(each) ?? Number.NEGATIVE_INFINITY));
  }
}

function isAnswered({ result }: Operation): boolean {
  return result.kind !== 'unknown' && result.kind !== 'not-applied';
}

export interface FaultFigures {
  /** The longest time between two acknowledged writes of anybody, one of them after the fault. */
  readonly writeGapMs: number;
  /** When that time began, on the clock of the history. */
  readonly writeGapFrom: number;
  /** The longest single write that returned after the fault, whatever became of it. */
  readonly writeStallMs: number;
  readonly readStallMs: number;
  readonly unknown: number;
  /** Writes that certainly did nothing, and reads without an answer. */
  readonly failed: number;
}

/** Of everything that returned at or after `faultAt`. */
export function figuresSince(faultAt: number, history: readonly Operation[]): FaultFigures {
  const after = history.filter((operation) => operation.return >= faultAt);
  const writes = after.filter(({ kind }) => kind !== 'get');
  const reads = after.filter(({ kind }) => kind === 'get');
  return {
    ...longestGap(faultAt, acknowledgedAt(history)),
    writeStallMs: longest(writes),
    readStallMs: longest(reads),
    unknown: after.filter(({ result }) => result.kind === 'unknown').length,
    failed: after.filter(({ result }) => result.kind === 'not-applied').length,
  };
}

function acknowledgedAt(history: readonly Operation[]): readonly number[] {
  return history
    .filter((operation) => operation.kind !== 'get' && isAnswered(operation))
    .map((operation) => operation.return)
    .sort((a, b) => a - b);
}

/** The first gap may begin before the fault; without any write after it there is no end to the gap. */
function longestGap(
  faultAt: number,
  times: readonly number[],
): Pick<FaultFigures, 'writeGapMs' | 'writeGapFrom'> {
  const first = times.findIndex((time) => time >= faultAt);
  let longest = { writeGapMs: first === -1 ? Number.POSITIVE_INFINITY : 0, writeGapFrom: faultAt };
  if (first === -1) return longest;
  for (let at = Math.max(first, 1); at < times.length; at++) {
    const writeGapFrom = times[at - 1] as number;
    const writeGapMs = (times[at] as number) - writeGapFrom;
    if (writeGapMs > longest.writeGapMs) longest = { writeGapMs, writeGapFrom };
  }
  return longest;
}

function longest(operations: readonly Operation[]): number {
  return operations.reduce((most, each) => Math.max(most, each.return - each.call), 0);
}
