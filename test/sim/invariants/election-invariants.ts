/**
 * What a message between replicas promises (I1, I2, I9, I12, I23), checked when it leaves against what
 * is then durable at its sender.
 */
import type { Message } from '@kvstore/raft';
import type { NodeId, Term } from '@kvstore/std';
import type { Ghost } from './ghost.ts';
import type { Ledger } from './ledger.ts';
import type { MembershipInvariants } from './membership-invariants.ts';
import { isQuorum } from './quorums.ts';

interface Position {
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export class ElectionInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  readonly #members: MembershipInvariants;
  /** Who got the vote of a node in a term. */
  readonly #votes = new Map<string, NodeId>();
  /** What a candidate said of its log when it asked this voter. */
  readonly #asked = new Map<string, Position>();
  /** Pre-votes that arrived, by candidate and term. */
  readonly #preVotes = new Map<string, Set<NodeId>>();
  /** Votes that arrived, by candidate and term. */
  readonly #granted = new Map<string, Set<NodeId>>();
  /** Who was asked by the leader of a term to take over. */
  readonly #successors = new Set<string>();
  /** The highest acknowledged index of a follower in a term. */
  readonly #acknowledged = new Map<string, number>();

  constructor(ghost: Ghost, ledger: Ledger, members: MembershipInvariants) {
    this.#members = members;
    this.#ghost = ghost;
    this.#ledger = ledger;
  }

  /** A consensus started anew: what it was granted before is forgotten. */
  restarted(node: NodeId): void {
    for (const known of [this.#preVotes, this.#granted, this.#successors]) {
      for (const id of known.keys()) if (id.startsWith(`${node} `)) known.delete(id);
    }
  }

  /** Its own vote is one. */
  votersFor(candidate: NodeId, term: Term): ReadonlySet<NodeId> {
    return new Set([candidate, ...(this.#granted.get(`${candidate} ${term}`) ?? [])]);
  }

  acknowledged(node: NodeId, term: Term): number {
    return this.#acknowledged.get(`${node} ${term}`) ?? 0;
  }

  sent(message: Message): void {
    const { from, to, term } = message;
    switch (message.kind) {
      case 'pre-vote-request':
        this.#members.standsForElection(from);
        return;
      case 'vote-request':
        this.#members.standsForElection(from);
        this.#checkVote(from, term, from);
        if (message.forced) this.#checkAsked(from, term);
        else this.#checkPreVotes(from, term);
        return;
      case 'vote-response':
        if (!message.granted) return;
        this.#checkVote(from, term, to);
        this.#checkUpToDate(from, to, term);
        return;
      case 'append-request':
      case 'heartbeat-request':
        this.leads(from, term);
        return;
      case 'append-response':
        if (message.result.kind === 'accepted')
          this.#accepted(from, to, term, message.result.matchIndex);
        return;
      default:
    }
  }

  delivered(message: Message): void {
    const { from, to, term } = message;
    if (message.kind === 'vote-request') {
      this.#asked.set(`${from} ${to} ${term}`, message);
    } else if (message.kind === 'pre-vote-response' && message.granted) {
      const id = `${to} ${term}`;
      this.#preVotes.set(id, (this.#preVotes.get(id) ?? new Set()).add(from));
    } else if (message.kind === 'vote-response' && message.granted) {
      const id = `${to} ${term}`;
      this.#granted.set(id, (this.#granted.get(id) ?? new Set()).add(from));
    } else if (message.kind === 'timeout-now') {
      this.#successors.add(`${to} ${term}`);
    }
  }

  leads(node: NodeId, term: Term): void {
    const known = this.#ghost.leaders.get(term);
    if (known === undefined) this.#ghost.leaders.set(term, node);
    this.#ledger.expect('I1', known === undefined || known === node, () => {
      return `${node} and ${known} both lead term ${term}`;
    });
  }

  #checkVote(voter: NodeId, term: Term, candidate: NodeId): void {
    const id = `${voter} ${term}`;
    const known = this.#votes.get(id);
    if (known === undefined) this.#votes.set(id, candidate);
    this.#ledger.expect('I2', known === undefined || known === candidate, () => {
      return `${voter} votes for ${candidate} in term ${term} after it voted for ${known}`;
    });
    const durable = this.#ghost.logOf(voter).durableHardState;
    const isDurable = durable.term === term && durable.vote === candidate;
    this.#ledger.expect('I2', isDurable || durable.term > term, () => {
      return `${voter} tells its vote for ${candidate} in term ${term} before it is durable`;
    });
  }

  #checkUpToDate(voter: NodeId, candidate: NodeId, term: Term): void {
    const asked = this.#asked.get(`${candidate} ${voter} ${term}`);
    const own = this.#ghost.logOf(voter).last;
    const [ownTerm, ownIndex] = [own?.term ?? 0, own?.index ?? 0];
    const isComplete =
      asked !== undefined &&
      (asked.lastTerm > ownTerm || (asked.lastTerm === ownTerm && asked.lastIndex >= ownIndex));
    this.#ledger.expect('I9', isComplete, () => {
      return `${voter} at ${ownIndex}/${ownTerm} votes for ${candidate} at ${asked?.lastIndex}/${asked?.lastTerm}`;
    });
  }

  #checkPreVotes(candidate: NodeId, term: Term): void {
    const votes = this.#preVotes.get(`${candidate} ${term}`) ?? new Set();
    const { configuration } = this.#ghost.logOf(candidate);
    const isAsked = isQuorum(configuration, (voter) => voter === candidate || votes.has(voter));
    this.#ledger.expect('I23', isAsked, () => {
      return `${candidate} stands for term ${term} with the pre-votes of ${[...votes].join(' ')}`;
    });
  }

  #checkAsked(candidate: NodeId, term: Term): void {
    this.#ledger.expect('I23', this.#successors.has(`${candidate} ${term - 1}`), () => {
      return `${candidate} stands for term ${term} as a successor, and no leader asked it`;
    });
  }

  #accepted(follower: NodeId, leader: NodeId, term: Term, matchIndex: number): void {
    const log = this.#ghost.logOf(follower);
    this.#ledger.expect('I12', matchIndex <= log.durableIndex, () => {
      return `${follower} acknowledges ${matchIndex}, durable is ${log.durableIndex}`;
    });
    this.#ledger.expect('I12', log.durableHardState.term >= term, () => {
      return `${follower} acknowledges in term ${term} before that term is durable`;
    });
    const theirs = this.#ghost.logOf(leader);
    const sent = theirs.hardState.term === term ? theirs.at(matchIndex) : undefined;
    if (sent !== undefined) {
      this.#ledger.expect('I12', log.at(matchIndex)?.chain === sent.chain, () => {
        return `${follower} acknowledges ${matchIndex}, which is another entry at ${leader}`;
      });
    }
    const id = `${follower} ${term}`;
    this.#acknowledged.set(id, Math.max(this.#acknowledged.get(id) ?? 0, matchIndex));
  }
}
