/**
 * Requests about members, to whoever leads. They say what shall be so, hence they are asked again, of the
 * next leader too, until an answer or the deadline comes.
 *
 * Invariant: "nothing was changed" is said only when every attempt was refused or was certainly never seen.
 */
import {
  type Bus,
  ControlOperation,
  failure,
  type Failure,
  type FrameCodec,
  isStoragesBehind,
  type MemberList,
  type MemberQuestion,
  type MemberReply,
  type MemberRequest,
  requestControl,
  SenderRole,
  type Subjects,
} from '@kvstore/contract';
import type { Clock, NodeId, Timers } from '@kvstore/std';
import type { Routing } from './routing.ts';

export interface MemberClientOptions {
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly routing: Routing;
  readonly clock: Clock;
  readonly timers: Timers;
}

type Answer = MemberReply | 'not-sent' | 'no-answer';

const RETRY_MS = 20;
/** One attempt waits no longer: a leader that stopped in the middle of it would be waited for in vain. */
const ATTEMPT_MS_MAX = 2_000;
/** Kept of the time for the way of the answer. */
const ANSWER_MS = 50;
const RETRY_AFTER_MS = 1_000;

export class MemberClient {
  readonly #options: MemberClientOptions;

  constructor(options: MemberClientOptions) {
    this.#options = options;
  }

  async request(request: MemberRequest, timeoutMs: number): Promise<MemberList | Failure> {
    const { clock, routing } = this.#options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    let mayBeDone = false;
    /** A copy that was not answered may still be looked at, whatever another one is told. */
    let isUnanswered = false;
    let last: Failure | undefined;
    for (;;) {
      const leftMs = deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) break;
      const { leader } = routing;
      if (leader === undefined) {
        await this.#pause(Math.min(RETRY_MS, leftMs));
        continue;
      }
      const answer = await this.#ask(leader, request, leftMs);
      if (answer === 'no-answer') isUnanswered = true;
      if (typeof answer !== 'string') {
        if (answer.kind === 'members') return this.#byTheLeader(answer, leader, deadlineMs);
        if (answer.kind === 'unsettled') mayBeDone = true;
        // Why only then: who does not know a leader must not take it from all other requests.
        if (answer.kind === 'not-leader' && answer.leader !== undefined) {
          routing.hint(leader, answer.leader);
        }
        if (answer.kind === 'failure') {
          // Why not these: another attempt may find what was in the way gone.
          const passes = answer.code === 'OVERLOADED' || isStoragesBehind(answer);
          if (!passes) return isUnanswered ? unknown() : answer;
          last = answer;
        }
      }
      await this.#pause(Math.min(RETRY_MS, Math.max(deadlineMs - clock.monotonicMs(), 0)));
    }
    return (mayBeDone || isUnanswered) && request.kind !== 'list'
      ? unknown()
      : (last ?? noLeader());
  }

  /** After a transfer, or the removal of a leader, another one knows how the members stand. */
  async #byTheLeader(list: MemberList, asked: NodeId, deadlineMs: number): Promise<MemberList> {
    const { leader } = list;
    if (leader === asked || leader === undefined) return list;
    const leftMs = deadlineMs - this.#options.clock.monotonicMs();
    const answer = leftMs > 0 ? await this.#ask(leader, { kind: 'list' }, leftMs) : 'not-sent';
    return typeof answer !== 'string' && answer.kind === 'members' ? answer : list;
  }

  #ask(leader: NodeId, request: MemberRequest, leftMs: number): Promise<Answer> {
    const { bus, frames, subjects } = this.#options;
    const subject = subjects.control(SenderRole.consensus, leader, ControlOperation.members);
    const timeoutMs = Math.min(leftMs, ATTEMPT_MS_MAX);
    const question: MemberQuestion = { request, waitMs: Math.max(timeoutMs - ANSWER_MS, 0) };
    return requestControl<MemberReply>(bus, frames, subject, question, timeoutMs);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.timers.after(ms, resolve));
  }
}

function unknown(): Failure {
  return failure(
    'COMMIT_UNKNOWN',
    'The change was begun and not seen to its end: list the members, or ask again, which is harmless.',
  );
}

function noLeader(): Failure {
  return failure('NO_LEADER', 'No leader answered in time: nothing was changed.', {
    retryAfterMs: RETRY_AFTER_MS,
  });
}
