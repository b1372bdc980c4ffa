/**
 * Room in the log, as proposals see it: a full disk is an answer, never a half-written promise.
 *
 * The log knows how many bytes certainly fit. Some of them are kept free of proposals, so that
 * openings and clock entries always fit. While the next log segment is still being made, a bounded
 * queue waits for it instead of being refused. A log that is as large as it may be takes no proposals
 * until it is cut.
 */
import { RefusalReason } from '@kvstore/contract';
import type { Clock } from '@kvstore/std';
import type { LogStore } from './log-store.ts';

const RESERVED_BYTES = 64 * 1024;
export const RECORD_OVERHEAD_BYTES = 256;
/** A queue above this does not wait for room as a whole; its entries are refused one by one. */
const AWAITED_BYTES_MAX = 4 * 1024 * 1024;
const AWAITED_MS_MAX = 1_000;

export class LogRoom {
  readonly #log: LogStore;
  readonly #clock: Clock;
  readonly #logBytesMax: number;
  #awaitedFromMs: number | undefined;

  constructor(log: LogStore, clock: Clock, logBytesMax: number) {
    this.#log = log;
    this.#clock = clock;
    this.#logBytesMax = logBytesMax;
  }

  /** The next segment is still being made and the queue, which is bounded, may wait for it. */
  isComing(queueBytes: number): boolean {
    const needed = queueBytes + RECORD_OVERHEAD_BYTES + RESERVED_BYTES;
    const hoped = this.#log.spaceError === undefined && needed < AWAITED_BYTES_MAX;
    if (this.#log.roomBytes >= needed || !hoped) {
      this.#awaitedFromMs = undefined;
      return false;
    }
    const nowMs = this.#clock.monotonicMs();
    this.#awaitedFromMs ??= nowMs;
    return nowMs - this.#awaitedFromMs < AWAITED_MS_MAX;
  }

  /** Why `bytes` of proposals cannot be appended; undefined when they certainly can. */
  refusal(bytes: number): RefusalReason | undefined {
    if (this.#log.sizeBytes >= this.#logBytesMax) return RefusalReason.overloaded;
    if (this.#log.roomBytes >= bytes + RESERVED_BYTES) return undefined;
    return this.#log.spaceError === undefined ? RefusalReason.overloaded : RefusalReason.diskFull;
  }

  /** Whether an entry without batches fits into what is kept free for it. */
  get takesBareEntry(): boolean {
    return this.#log.roomBytes >= RECORD_OVERHEAD_BYTES;
  }
}
