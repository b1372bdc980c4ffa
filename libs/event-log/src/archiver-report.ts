/** What the archiver tells: for log lines, for metrics, for health. */
import type { LogIndex } from '@kvstore/std';
import type { Loss } from './inspection.ts';
import type { StreamErrorKind } from './stream-error.ts';

/** Once per cause, not per attempt. */
export type ArchiverEvent =
  | { readonly kind: 'stream-created'; readonly epoch: number; readonly stream: string }
  /** As an earlier leader left it. */
  | {
      readonly kind: 'stream-continued';
      readonly epoch: number;
      readonly stream: string;
      readonly next: LogIndex;
    }
  /** The log is archived anew, under the next epoch. */
  | { readonly kind: 'stream-lost'; readonly epoch: number; readonly loss: Loss }
  | { readonly kind: 'unavailable'; readonly error: StreamErrorKind; readonly detail: string }
  | { readonly kind: 'available' };

export const ArchiverPhase = {
  stopped: 'stopped',
  /** This node does not lead. */
  idle: 'idle',
  /** Beginning an epoch, or looking for the end of its stream. */
  opening: 'opening',
  archiving: 'archiving',
  /** The stream is not whole; the next epoch begins when that is certain and the budget allows. */
  lost: 'lost',
  unavailable: 'unavailable',
} as const;
export type ArchiverPhase = (typeof ArchiverPhase)[keyof typeof ArchiverPhase];

export interface ArchiverStatus {
  readonly phase: ArchiverPhase;
  /** In force; 0 while this node does not lead, or none has begun. */
  readonly epoch: number;
  /** The last entry that the epoch's stream acknowledged; 0: none, or not known. */
  readonly archivedIndex: LogIndex;
  /** Committed and not archived; 0 while this node does not lead. */
  readonly lagEntries: number;
}

export interface ArchiverCounters {
  messages: number;
  entries: number;
  /** Of frames. */
  bytes: number;
  inspections: number;
  /** Appends that were not at the stream's end. */
  misplaced: number;
  losses: number;
  epochsBegun: number;
  readonly errors: Map<StreamErrorKind, number>;
}
