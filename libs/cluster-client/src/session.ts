/**
 * The session of one gateway incarnation: its id, the numbers of its batches, and the window.
 *
 * Invariants
 *   1. a batch number is used once, for one sequence of bytes
 *   2. `doneBelow` is at or below every outstanding number, so the state machine keeps the outcome
 *      of everything that may be sent again
 *   3. at most `sessionBatchesMax` numbers lie between `doneBelow` and the next number
 */
import { Limits } from '@kvstore/contract';
import { assert } from '@kvstore/std';

export class Session {
  readonly id: number;
  readonly #outstanding = new Set<number>();
  #next = 1;
  #doneBelow = 1;

  constructor(id: number) {
    assert(id > 0, 'session ids are positive');
    this.id = id;
  }

  get doneBelow(): number {
    return this.#doneBelow;
  }

  get full(): boolean {
    // Why one less: the state machine counts the batch that it is about to apply.
    return this.#next - this.#doneBelow >= Limits.sessionBatchesMax - 1;
  }

  begin(): number {
    assert(!this.full, 'session window full');
    const batchNo = this.#next++;
    this.#outstanding.add(batchNo);
    return batchNo;
  }

  /** The outcome is known, or nobody will ever send this batch again. */
  end(batchNo: number): void {
    assert(this.#outstanding.delete(batchNo), 'ended a batch that is not outstanding');
    while (this.#doneBelow < this.#next && !this.#outstanding.has(this.#doneBelow)) {
      this.#doneBelow += 1;
    }
  }
}
