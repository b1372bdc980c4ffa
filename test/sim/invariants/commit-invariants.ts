/**
 * What a replica calls committed, looked at after every event of its process (I1, I3, I6, I7, I8, I10,
 * I11, I12, I24). The entries that leaders commit are the ghost's committed log.
 */
import type { ConsensusStatus } from '@kvstore/contract';
import type { Configuration, Entry } from '@kvstore/raft';
import { type NodeId, term as asTerm } from '@kvstore/std';
import type { SimProcess } from '../world/sim-process.ts';
import type { ElectionInvariants } from './election-invariants.ts';
import type { Ghost } from './ghost.ts';
import type { Ledger } from './ledger.ts';
import type { LogInvariants } from './log-invariants.ts';
import type { MembershipInvariants } from './membership-invariants.ts';
import { isQuorum } from './quorums.ts';

/** Two election timeouts of 300 ms on a clock that is 10 % slow, and what a turn may take. */
const CONTACT_MS_MAX = 900;

/** Whom a look at a consensus asks or tells. */
export interface CheckedBefore {
  readonly logs: LogInvariants;
  readonly elections: ElectionInvariants;
  readonly members: MembershipInvariants;
}

interface Seen {
  status: ConsensusStatus;
  readonly matches: Map<string, number>;
  readonly contactMs: Map<string, number>;
  configuration: Configuration | undefined;
  /** When that came into force. */
  configuredMs: number;
  /** When the disk of the leader was last seen to make progress, or had nothing to do. */
  diskMs: number;
}

export class CommitInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  readonly #logs: LogInvariants;
  readonly #elections: ElectionInvariants;
  readonly #members: MembershipInvariants;
  readonly #seen = new Map<NodeId, Seen>();
  readonly #checkedCommit = new Map<NodeId, number>();

  constructor(ghost: Ghost, ledger: Ledger, { logs, elections, members }: CheckedBefore) {
    this.#ghost = ghost;
    this.#ledger = ledger;
    this.#logs = logs;
    this.#elections = elections;
    this.#members = members;
  }

  /** Forgets what the last incarnation had in memory. */
  restarted(node: NodeId): void {
    this.#seen.delete(node);
    this.#checkedCommit.delete(node);
    this.#logs.leading.delete(node);
  }

  /** An answer of the current term arrived at a leader. */
  heard(node: NodeId, from: NodeId, nowMs: number): void {
    this.#seen.get(node)?.contactMs.set(from, nowMs);
  }

  /** Returns whether something changed. `settled`: the event is over, nothing is half done. */
  look(process: SimProcess, status: ConsensusStatus, nowMs: number, settled: boolean): boolean {
    const node = process.machine as NodeId;
    const seen = this.#seen.get(node);
    const before = seen?.status;
    const role = status.role === 'leader';
    const isNew = before?.term !== status.term || before.role !== status.role;
    if (before !== undefined) this.#checkForward(node, before, status);
    if (status.role === 'candidate') this.#ghost.termsBegun.add(asTerm(status.term));
    if (role && isNew) this.#elected(node, status, before?.commitIndex ?? 0);
    if (!role) this.#logs.leading.delete(node);
    const current = this.#remember(node, seen, status, isNew, nowMs);
    if (role)
      this.#members.sendsTo(
        node,
        status.progress.map((each) => each.node),
      );
    if (role) this.#checkMatches(node, current, status);
    if (role) this.#checkContact(process, current, status, nowMs);
    if (role) this.#checkDisk(process, current, before, nowMs);
    // Why the second: a leader that is dismissed commits that, and is none any more.
    const hasLed = before?.role === 'leader' && before.term === status.term;
    if (role || hasLed) this.#committed(node, status);
    else if (settled) this.#followed(node, status);
    return isNew || status.commitIndex !== before.commitIndex;
  }

  #remember(
    node: NodeId,
    seen: Seen | undefined,
    status: ConsensusStatus,
    isNew: boolean,
    nowMs: number,
  ): Seen {
    if (seen !== undefined && !isNew) {
      seen.status = status;
      return seen;
    }
    const contactMs = new Map<string, number>();
    for (const { node: peer } of status.progress) contactMs.set(peer, nowMs);
    const fresh = {
      status,
      contactMs,
      matches: new Map<string, number>(),
      configuration: undefined,
      configuredMs: nowMs,
      diskMs: nowMs,
    };
    this.#seen.set(node, fresh);
    return fresh;
  }

  #checkForward(node: NodeId, before: ConsensusStatus, now: ConsensusStatus): void {
    const isForward = now.term >= before.term && now.commitIndex >= before.commitIndex;
    this.#ledger.expect('I3', isForward, () => {
      return `${node} goes from term ${before.term}, commit ${before.commitIndex} to ${now.term}, ${now.commitIndex}`;
    });
  }

  /** `followed`: what it had been told to be committed. */
  #elected(node: NodeId, { term }: ConsensusStatus, followed: number): void {
    this.#checkCommitted(node, this.#checkedCommit.get(node) ?? 0, followed);
    this.#elections.leads(node, asTerm(term));
    this.#members.elected(node, term, this.#elections.votersFor(node, asTerm(term)));
    this.#logs.leading.set(node, term);
    const log = this.#ghost.logOf(node);
    const newest = this.#ghost.newestCommittedBefore(term);
    const isComplete = newest === undefined || log.at(newest.index)?.chain === newest.chain;
    this.#ledger.expect('I6', isComplete, () => {
      return `${node} leads term ${term} without the committed entry ${newest?.index} of term ${newest?.term}`;
    });
  }

  #checkMatches(node: NodeId, { matches }: Seen, { progress, term }: ConsensusStatus): void {
    for (const { node: follower, matchIndex } of progress) {
      const before = matches.get(follower) ?? 0;
      if (before === matchIndex) continue;
      matches.set(follower, matchIndex);
      this.#ledger.expect('I12', matchIndex > before, () => {
        return `${node} takes its match of ${follower} back from ${before} to ${matchIndex}`;
      });
      const known =
        follower === node
          ? this.#ghost.logOf(node).durableIndex
          : this.#elections.acknowledged(follower as NodeId, asTerm(term));
      this.#ledger.expect(follower === node ? 'I10' : 'I12', matchIndex <= known, () => {
        return `${node} counts ${follower} up to ${matchIndex}, which has acknowledged ${known}`;
      });
    }
  }

  #checkContact(process: SimProcess, seen: Seen, status: ConsensusStatus, nowMs: number): void {
    if (status.progress.length < 2) return;
    const { contactMs } = seen;
    const { configuration } = this.#ghost.logOf(process.machine as NodeId);
    // Why: whom it has to hear is another question since then.
    if (seen.configuration !== configuration) seen.configuredMs = nowMs;
    seen.configuration = configuration;
    const sinceMs = Math.max(seen.configuredMs, process.pausedUntilUs / 1000);
    const isNear = (node: NodeId): boolean => {
      const known = contactMs.get(node) ?? nowMs;
      contactMs.set(node, known);
      return node === process.machine || nowMs - Math.max(sinceMs, known) <= CONTACT_MS_MAX;
    };
    this.#ledger.expect('I24', isQuorum(configuration, isNear), () => {
      return `${process.machine} still leads term ${status.term} and has not heard a majority lately`;
    });
  }

  #committed(node: NodeId, { term, commitIndex }: ConsensusStatus): void {
    const { committed } = this.#ghost;
    const from = this.#checkedCommit.get(node) ?? 0;
    if (commitIndex <= from) return;
    const log = this.#ghost.logOf(node);
    for (let index = committed.length + 1; index <= commitIndex; index++) {
      const entry = log.at(index);
      if (entry !== undefined) this.#ghost.commit(entry, term);
    }
    this.#checkCommitted(node, from, commitIndex);
    const newest = committed[commitIndex - 1] as Entry;
    this.#ledger.expect('I11', newest.term === term, () => {
      return `${node} commits entry ${commitIndex} of term ${newest.term} in term ${term}`;
    });
    this.#ledger.expect('I8', this.#ghost.isDurableFor(node, newest), () => {
      return `${node} commits entry ${commitIndex}, which is not durable on a majority`;
    });
  }

  #checkDisk(
    process: SimProcess,
    seen: Seen,
    before: ConsensusStatus | undefined,
    nowMs: number,
  ): void {
    const { durableIndex, lastIndex, term } = seen.status;
    const isIdle = durableIndex === lastIndex || before?.lastIndex === before?.durableIndex;
    if (isIdle || durableIndex !== before?.durableIndex) seen.diskMs = nowMs;
    // A single voter has nobody to leave the lead to.
    const { voters } = this.#ghost.logOf(process.machine as NodeId).configuration;
    if (voters.length < 2) seen.diskMs = nowMs;
    const sinceMs = Math.max(seen.diskMs, process.pausedUntilUs / 1000);
    this.#ledger.expect('I31', nowMs - sinceMs <= CONTACT_MS_MAX, () => {
      return `${process.machine} leads term ${term}, and its disk stands at ${durableIndex} of ${lastIndex} for ${Math.floor(nowMs - sinceMs)} ms`;
    });
  }

  #followed(node: NodeId, { commitIndex, logFirstIndex }: ConsensusStatus): void {
    const from = this.#checkedCommit.get(node) ?? 0;
    const log = this.#ghost.logOf(node);
    if (commitIndex <= from || !log.isLevel(logFirstIndex - 1)) return;
    this.#checkCommitted(node, from, commitIndex);
  }

  #checkCommitted(node: NodeId, from: number, to: number): void {
    const log = this.#ghost.logOf(node);
    for (let index = from + 1; index <= to; index++) {
      const [entry, known] = [log.at(index), this.#ghost.committed[index - 1]];
      this.#ledger.expect('I7', entry !== undefined && known?.chain === entry.chain, () => {
        return `${node} commits entry ${index} of term ${entry?.term}, committed is one of term ${known?.term}`;
      });
    }
    this.#checkedCommit.set(node, Math.max(from, to));
  }
}
