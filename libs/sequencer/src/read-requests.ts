/**
 * Who waits for a ReadIndex round of this leader: a number per request, which the core hands back with its
 * answer. Every request is answered once; the core bounds how many wait.
 */
import type { ReadIndexReply } from '@kvstore/contract';
import type { RaftNode } from '@kvstore/raft';
import type { NodeId } from '@kvstore/std';

type Answer = (reply: ReadIndexReply) => void;

export class ReadRequests {
  readonly #raft: Pick<RaftNode, 'requestRead'>;
  readonly #waiting = new Map<number, Answer>();
  #next = 1;

  constructor(raft: Pick<RaftNode, 'requestRead'>) {
    this.#raft = raft;
  }

  /** False when it is answered already: this replica does not lead, or too many wait. */
  add(leader: NodeId | undefined, answer: Answer): boolean {
    const context = this.#next++;
    this.#waiting.set(context, answer);
    const requested = this.#raft.requestRead(context);
    if (requested === 'pending') return true;
    this.answer(
      context,
      requested === 'overloaded' ? { kind: requested } : { kind: requested, leader },
    );
    return false;
  }

  answer(context: number, reply: ReadIndexReply): void {
    const answer = this.#waiting.get(context);
    this.#waiting.delete(context);
    answer?.(reply);
  }
}
