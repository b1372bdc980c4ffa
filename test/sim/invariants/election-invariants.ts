/**
 * What a message between replicas promises (I1, I2, I9, I12, I23), checked when it leaves against what
 * is then durable at its sender.
 */
import type { Message } from '@kvstore/raft';
import type { NodeId, Term } from '@kvstore/std';
import type { Ghost } from './ghost.ts';
import type { Ledger } from './ledger.ts';

interface Position {
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export class ElectionInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  /** Who got the vote of a node in a term. */
  readonly #votes = new Map<string, NodeId>();
  /** What a candidate said of its log when it asked this voter. */
  readonly #asked = new Map<string, Position>();
  /** Pre-votes that arrived, by candidate and term. */
  readonly #preVotes = new Map<string, Set<NodeId>>();
  /** The highest acknowledged index of a follower in a term. */
  readonly #acknowledged = new Map<string, number>();

  constructor(ghost: Ghost, ledger: Ledger) {
    this.#ghost = ghost;
    this.#ledger = ledger;
  }

  /** A consensus started anew: what it was granted before is forgotten. */
  restarted(node: NodeId): void {
    for (const id of this.#preVotes.keys()) {
      if (id.startsWith(`${node} `)) this.#preVotes.delete(id);
    }
  }

  acknowledged(node: NodeId, term: Term): number {
    return this.#acknowledged.get(`${node} ${term}`) ?? 0;
  }

  sent(message: Message): void {
    const { from, to, term } = message;
    switch (message.kind) {
      case 'vote-request':
        this.#checkVote(from, term, from);
        this.#checkPreVotes(from, term);
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
    const votes = 1 + (this.#preVotes.get(`${candidate} ${term}`)?.size ?? 0);
    this.#ledger.expect('I23', votes >= this.#ghost.majority, () => {
      return `${candidate} stands for term ${term} with ${votes} pre-votes`;
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
