/**
 * What operators ask about members, answered by the node that leads.
 *
 * A request says what shall be so. It is looked at again whenever something happened, until it is so and
 * committed, cannot be, or has waited long enough; a change that another one is in the way of waits for it.
 *
 * Invariants
 *   1. nothing is answered from a configuration before this node is confirmed to lead, after the request came
 *   2. a change is answered with success only when the configuration in force is committed, simple and as
 *      was asked
 *   3. after a change was proposed the answer is never a refusal: it is so, or unsettled
 *   4. a member is added only with the name of the disk that answers under its id and was never used
 *   5. no change leaves a majority of the voters to those that do not answer (`member-steps.ts`)
 */
import {
  checkMemberRequest,
  type Failure,
  failure,
  type MemberHello,
  type MemberList,
  type MemberQuestion,
  type MemberReply,
} from '@kvstore/contract';
import type { Change, RaftNode } from '@kvstore/raft';
import type { Clock, NodeId, Timers } from '@kvstore/std';
import {
  busy,
  type ChangeRequest,
  memberList,
  refusalOf,
  refusalToTransfer,
  type Step,
  stepTo,
  storagesBehind,
} from './member-steps.ts';
import type { Members } from './members.ts';

/** The part of the sequencer that this one works with. */
export interface MemberSequencer {
  readonly node: NodeId;
  readonly raft: RaftNode;
  readonly members: Members;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whether this node leads, by a round that begins now; false when that cannot be found out in time. */
  confirm(timeoutMs: number): Promise<boolean>;
  /** Who answers as the consensus of a node. */
  hello(node: NodeId): Promise<MemberHello | undefined>;
  /** Carries out what the core has become ready to do. */
  advance(): void;
}

const WAIT_MS_MAX = 60_000;
/** Requests that wait at a time. */
const WAITING_MAX = 64;
const RETRY_AFTER_MS = 1_000;

export class MemberRequests {
  readonly #of: MemberSequencer;
  #wakers: (() => void)[] = [];
  #open = 0;
  #stopped = false;
  /** Requests whose change waits for storages to hold more durably. */
  #awaitingStorages = 0;

  constructor(sequencer: MemberSequencer) {
    this.#of = sequencer;
  }

  /** Ends what still waits. */
  stop(): void {
    this.#stopped = true;
    this.wake();
  }

  /** Something happened: whoever waits looks again. */
  wake(): void {
    const wakers = this.#wakers;
    if (wakers.length === 0) return;
    this.#wakers = [];
    for (const each of wakers) each();
  }

  get awaitStorages(): boolean {
    return this.#awaitingStorages > 0;
  }

  async answer({ request, waitMs }: MemberQuestion): Promise<MemberReply> {
    const invalid = checkMemberRequest(request);
    if (invalid !== undefined) return invalid;
    if (this.#open >= WAITING_MAX) return busy('Too many requests about members wait already.');
    this.#open += 1;
    const { clock, timers } = this.#of;
    const deadlineMs = clock.monotonicMs() + Math.min(Math.max(waitMs, 0), WAIT_MS_MAX);
    // Why: nothing else may happen until then.
    const end = timers.after(deadlineMs - clock.monotonicMs(), () => this.wake());
    try {
      if (!(await this.#of.confirm(deadlineMs - clock.monotonicMs()))) return this.#notLeader;
      if (request.kind === 'list') return this.#list();
      if (request.kind === 'transfer') return await this.#transfer(request.node, deadlineMs);
      return await this.#ensure(request, deadlineMs);
    } finally {
      end.cancel();
      this.#open -= 1;
    }
  }

  // --- changes ----------------------------------------------------------------------------------

  async #ensure(request: ChangeRequest, deadlineMs: number): Promise<MemberReply> {
    let begun = false;
    let disk: string | undefined;
    let inTheWay = busy('Another change of members is under way.');
    for (;;) {
      const step = this.#step(request, disk);
      if (step.kind === 'so') return this.#list();
      // Why after it: a leader that was removed leads no more when that is committed.
      if (!this.#leads) return begun ? { kind: 'unsettled' } : this.#notLeader;
      if (step.kind === 'failure' && !begun) return step;
      if (this.#of.clock.monotonicMs() >= deadlineMs) {
        return begun ? { kind: 'unsettled' } : inTheWay;
      }
      if (step.kind === 'greet') {
        const met = await this.#meet(request.node);
        if (typeof met !== 'string') return met;
        disk = met;
        continue;
      }
      if (step.kind === 'change' && !begun) {
        const refusal = this.#propose(step.change);
        if (refusal === undefined) {
          begun = true;
          this.#of.advance();
          continue;
        }
        if (refusal === 'storages-behind') {
          inTheWay = storagesBehind(this.#of.raft.status());
          await this.#storagesHeard();
          continue;
        }
        if (refusal !== 'later') return refusal;
      }
      await this.#woken();
    }
  }

  /** Meanwhile marks ask storages to flush. */
  async #storagesHeard(): Promise<void> {
    this.#awaitingStorages += 1;
    await this.#woken();
    this.#awaitingStorages -= 1;
  }

  /** Judged by the settled configuration, so that one change follows the other. */
  #step(request: ChangeRequest, disk: string | undefined): Step {
    const settled = this.#of.members.settled;
    if (settled === undefined) return { kind: 'wait' };
    return stepTo(request, settled.configuration, this.#of.raft.status(), disk);
  }

  /** Undefined when it is appended. */
  #propose(change: Change): MemberReply | 'later' | 'storages-behind' | undefined {
    const proposed = this.#of.raft.changeMembers([change]);
    if (proposed.kind === 'appended') return undefined;
    if (proposed.kind === 'not-leader') return this.#notLeader;
    return refusalOf(proposed.reason, change.node, this.#of.raft.status());
  }

  /** The disk that would stand behind the id; or why it must not. */
  async #meet(node: NodeId): Promise<string | Failure> {
    const hello = await this.#of.hello(node);
    if (hello === undefined) {
      return failure(
        'UNAVAILABLE',
        `No consensus process answers as ${node}: start it, then add it.`,
      );
    }
    if (hello.clusterId === undefined) return hello.disk;
    return failure(
      'INVALID_ARGUMENT',
      `The disk of ${node} has been a member's already: start it with an empty data directory.`,
    );
  }

  // --- leadership -------------------------------------------------------------------------------

  async #transfer(to: NodeId, deadlineMs: number): Promise<MemberReply> {
    const { raft, clock } = this.#of;
    let begun = false;
    for (;;) {
      const status = raft.status();
      if (status.leader === to) return this.#list();
      if (this.#stopped || (!this.#leads && status.leader !== undefined)) {
        return begun ? { kind: 'unsettled' } : this.#notLeader;
      }
      if (begun && this.#leads && status.transferringTo !== to) {
        return failure(
          'UNAVAILABLE',
          `${to} did not take over within an election timeout: the leader goes on.`,
          { retryAfterMs: RETRY_AFTER_MS },
        );
      }
      if (clock.monotonicMs() >= deadlineMs) {
        return begun ? { kind: 'unsettled' } : busy('Leadership is being handed over already.');
      }
      if (this.#leads && !begun) {
        const refused = refusalToTransfer(to, status);
        if (refused !== undefined) return refused;
        begun = raft.transferLeadership(to) === 'started';
        if (begun) {
          // Why only then: it wakes whoever waits, and they would wake each other for ever.
          this.#of.advance();
          continue;
        }
      }
      await this.#woken();
    }
  }

  // --- answers ----------------------------------------------------------------------------------

  get #leads(): boolean {
    return !this.#stopped && this.#of.raft.status().role === 'leader';
  }

  get #notLeader(): MemberReply {
    const { leader } = this.#of.raft.status();
    return { kind: 'not-leader', leader: leader === this.#of.node ? undefined : leader };
  }

  #list(): MemberList {
    return memberList(this.#of.raft.status());
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }
}
