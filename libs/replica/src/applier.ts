/**
 * Applies committed entries to the state machine, strictly in order.
 *
 * Invariants
 *   1. an entry is applied only at `applied + 1` and only when it continues this replica's chain
 *   2. the writes of an entry and its position end together (`endEntry`), so that after a crash
 *      replay from the durable position repeats whole entries
 *   3. a replica that meets another chain applies nothing more: it has diverged
 */
import { decodeBatch, decodeEntryBody, type LogEntry } from '@kvstore/contract';
import { type LogPosition, nextChain } from '@kvstore/std';
import type { AppliedResult, StateMachine } from '@kvstore/state-machine';
import type { ReplicaStore } from './replica-store.ts';

/** This replica and the log disagree about history: it must be rebuilt, never continued. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
  readonly code = 'REPLICA_DIVERGED';
  readonly retryable = false;
}

export interface Applied {
  /** Session and number of each batch, in the order of `result`. */
  readonly batches: readonly { readonly session: number; readonly batchNo: number }[];
  readonly result: AppliedResult;
}

export class Applier {
  readonly #store: ReplicaStore;
  readonly #stateMachine: StateMachine;

  constructor(store: ReplicaStore, stateMachine: StateMachine) {
    this.#store = store;
    this.#stateMachine = stateMachine;
  }

  get applied(): LogPosition {
    return this.#store.applied;
  }

  /** Throws `DivergedError`, or `FeatureLevelError` for an entry of a newer build. */
  apply(entry: LogEntry): Applied {
    const before = this.#store.applied;
    const expected = nextChain(before.chain, entry.index, entry.term, entry.kind, entry.body);
    if (entry.index !== before.index + 1 || entry.chain !== expected) {
      throw new DivergedError(
        `entry ${entry.index} of term ${entry.term} does not continue the chain of applied entry ` +
          `${before.index}: rebuild this replica from another one`,
      );
    }
    const { stamp, batches: encoded } = decodeEntryBody(entry.body);
    const batches = encoded.map(decodeBatch);
    const { index, term, chain } = entry;
    const result = this.#stateMachine.apply({
      index,
      term,
      opening: entry.kind === 0,
      stamp,
      batches,
    });
    this.#store.endEntry({ index, term, chain }, entry.body.length);
    return { batches, result };
  }
}
