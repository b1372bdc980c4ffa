/**
 * One attempt to hand leadership over (thesis 3.10): the target is caught up, then told to stand for
 * election at once. Until it is over the leader takes no proposals; it is over when another leader is
 * heard, or after one election timeout.
 */
import type { NodeId } from '@kvstore/std';

export class Transfer {
  readonly to: NodeId;
  readonly #endsAtTick: number;
  /** The target was told; it may act on that at any later time. */
  isSent = false;

  constructor(to: NodeId, endsAtTick: number) {
    this.to = to;
    this.#endsAtTick = endsAtTick;
  }

  isOverAt(tick: number): boolean {
    return tick >= this.#endsAtTick;
  }
}
