/** What a command did, deterministically: every replica computes and stores the same outcome. */
import type { LogTimeMs, Revision } from '@kvstore/std';

export const RejectCode = {
  invalidArgument: 1,
  conditionFailed: 2,
  idempotencyConflict: 3,
} as const;
export type RejectCode = (typeof RejectCode)[keyof typeof RejectCode];

export type Outcome =
  | {
      readonly kind: 'put';
      readonly revision: Revision;
      /** 1 when this put created the key. */
      readonly version: number;
      readonly createRevision: Revision;
      readonly createdAt: LogTimeMs;
      readonly updatedAt: LogTimeMs;
      readonly expiresAt: LogTimeMs | undefined;
    }
  | {
      readonly kind: 'deleted';
      /** The revision of the delete, or the store's revision when there was nothing to delete. */
      readonly revision: Revision;
      readonly existed: boolean;
    }
  | { readonly kind: 'session-registered'; readonly session: number }
  | { readonly kind: 'kept-alive' }
  | {
      readonly kind: 'rejected';
      readonly code: RejectCode;
      /** Revision of the store when it was decided. */
      readonly revision: Revision;
      /** For conditionFailed: what the key had; both 0 when it does not exist. */
      readonly actualModRevision: Revision;
      readonly actualVersion: number;
      readonly detail: string;
    };

/** Of a whole batch. */
export type BatchOutcome =
  | { readonly kind: 'applied'; readonly outcomes: readonly Outcome[] }
  /** The session is unknown or expired: nothing of the batch was applied by this attempt. */
  | { readonly kind: 'session-expired' }
  /** Below the session's `doneBelow`: refused without effect. */
  | { readonly kind: 'stale' }
  /** More than 4,096 batches are outstanding: refused without effect. */
  | { readonly kind: 'window-exceeded' };
