/**
 * One batch on its way: the bytes that are sent, and sent again, unchanged; who waits for it; and
 * what is known of its fate. What a request may be told when it has to give up follows from here:
 * `copies` is the line between "certainly not applied" and "unknown".
 */
import type { LogIndex, NodeId } from '@kvstore/std';
import type { Outcome } from '@kvstore/state-machine';
import type { encodeCommand, Failure } from '@kvstore/contract';

/** One write on its way: its command and who waits for the outcome. */
export interface PendingWrite {
  readonly command: Parameters<typeof encodeCommand>[1];
  /** Upper bound of its encoded size. */
  readonly bytesMax: number;
  readonly deadlineMs: number;
  /** Called exactly once. */
  readonly settle: (result: Outcome | Failure) => void;
}

export interface OutstandingBatch {
  readonly batchNo: number;
  readonly bytes: Uint8Array;
  /** One per command, in order; undefined once told. */
  readonly waiting: (PendingWrite | undefined)[];
  /** Sum over its writes. */
  readonly bytesMax: number;
  readonly earliestDeadlineMs: number;
  readonly latestDeadlineMs: number;
  /** Copies handed to the bus and not certainly refused: while above 0, it may be in the log. */
  copies: number;
  /** The leader's answer: in the log at this index. */
  committedAt: LogIndex | undefined;
  /** The storage that the last attempt named: it should send the outcome. */
  home: NodeId | undefined;
  attempts: number;
  queries: number;
  /** Not before this: back-off of the next attempt or the next outcome query. */
  nextActionMs: number;
  querying: boolean;
}

/** Tells everyone who still waits. */
export function settleAll(
  batch: OutstandingBatch,
  result: (place: number) => Outcome | Failure,
): void {
  for (const [place, waiting] of batch.waiting.entries()) {
    if (waiting === undefined) continue;
    batch.waiting[place] = undefined;
    waiting.settle(result(place));
  }
}
