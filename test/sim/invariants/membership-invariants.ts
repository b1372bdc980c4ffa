/**
 * Who takes part (I21, I22, S4, S5), by the configurations in the logs of the nodes: how one follows
 * another, who may stand for election and lead by them, and what the storages of voters hold.
 */
import type { Configuration, Entry } from '@kvstore/raft';
import type { NodeId } from '@kvstore/std';
import type { Ghost } from './ghost.ts';
import type { Ledger } from './ledger.ts';
import { configurationIn, isQuorum, isSameSet, replicasOf, votesIn } from './quorums.ts';

/** What else a cluster knows of a node at this moment. */
export interface NodeView {
  commitIndexOf(node: NodeId): number;
  /** After which its log begins. */
  baseIndexOf(node: NodeId): number;
  /** The index that its storage would start from after a crash. */
  storedBy(node: NodeId): number;
}

export class MembershipInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  /** The highest cut point that a node has told as leader. */
  readonly #cutPoints = new Map<NodeId, number>();
  /** The highest that the leader of a term has told. */
  readonly #toldIn = new Map<number, number>();
  view: NodeView = { commitIndexOf: () => 0, baseIndexOf: () => 0, storedBy: () => 0 };

  constructor(ghost: Ghost, ledger: Ledger) {
    this.#ghost = ghost;
    this.#ledger = ledger;
  }

  restarted(node: NodeId): void {
    this.#cutPoints.delete(node);
  }

  /** A node appends this entry to its log; what stands before it is there already. */
  appending(node: NodeId, entry: Entry): void {
    const next = configurationIn(entry);
    const log = this.#ghost.logOf(node);
    const leads = this.#ghost.leaders.get(entry.term) === node && log.hardState.term === entry.term;
    if (next === undefined || !leads) return;
    const { index, configuration } = log.configurations.at(-1) as (typeof log.configurations)[0];
    const commitIndex = this.view.commitIndexOf(node);
    this.#ledger.expect('I21', log.at(commitIndex)?.term === entry.term, () => {
      return `${node} changes who takes part at ${entry.index} before it has committed an entry of term ${entry.term}`;
    });
    this.#ledger.expect('I21', index <= commitIndex, () => {
      return `${node} changes who takes part at ${entry.index} while ${index} is not committed`;
    });
    this.#checkStep(node, configuration, next);
    const joins = next.voters.filter((voter) => !votesIn(configuration, voter));
    for (const voter of joins) this.#checkPromoted(node, voter);
    if (!isSameSet(next.voters, configuration.voters)) this.#checkHolders(node, entry.term, next);
  }

  /** Whoever stands for election votes by its log, as far as that is not known to be committed. */
  standsForElection(node: NodeId): void {
    const log = this.#ghost.logOf(node);
    if (!log.isLevel(this.view.baseIndexOf(node))) return;
    const { configurations } = log;
    const commitIndex = this.view.commitIndexOf(node);
    const first = configurations.findLastIndex(({ index }) => index <= commitIndex);
    const inForce = configurations.slice(Math.max(0, first));
    const mayLead = inForce.some(({ configuration }) => votesIn(configuration, node));
    this.#ledger.expect('I21', mayLead, () => `${node} stands for election and is no voter`);
  }

  elected(node: NodeId, term: number, voters: ReadonlySet<NodeId>): void {
    const { configuration } = this.#ghost.logOf(node);
    this.#ledger.expect(
      'I21',
      isQuorum(configuration, (voter) => voters.has(voter)),
      () => {
        return `${node} leads term ${term} by the votes of ${[...voters].join(' ')}, voters are ${show(configuration)}`;
      },
    );
  }

  /** A leader sends its log to these nodes. */
  sendsTo(node: NodeId, nodes: readonly string[]): void {
    const { configuration } = this.#ghost.logOf(node);
    this.#ledger.expect('I22', isSameSet(nodes, replicasOf(configuration)), () => {
      return `${node} leads ${nodes.join(' ')}, its log says ${show(configuration)}`;
    });
  }

  /** The configuration that its core acts by. */
  actsBy(node: NodeId, inForce: Configuration, baseIndex: number): void {
    const log = this.#ghost.logOf(node);
    if (!log.isLevel(baseIndex)) return;
    const { configuration } = log;
    const isOfLog =
      isSameSet(inForce.voters, configuration.voters) &&
      isSameSet(inForce.outgoing, configuration.outgoing);
    this.#ledger.expect('I22', isOfLog, () => {
      return `${node} acts by ${show(inForce)}, its log says ${show(configuration)}`;
    });
  }

  marked(node: NodeId, cutPoint: number): void {
    const { configuration } = this.#ghost.logOf(node);
    const holds = (voter: NodeId): boolean => this.view.storedBy(voter) >= cutPoint;
    this.#ledger.expect('S4', cutPoint === 0 || isQuorum(configuration, holds), () => {
      return `${node} lets logs be cut at ${cutPoint}, which no majority of storages holds`;
    });
    this.#ghost.cutPoint = Math.max(this.#ghost.cutPoint, cutPoint);
    this.#cutPoints.set(node, Math.max(cutPoint, this.#cutPoints.get(node) ?? 0));
    const { term } = this.#ghost.logOf(node).hardState;
    this.#toldIn.set(term, Math.max(cutPoint, this.#toldIn.get(term) ?? 0));
  }

  /**
   * Whatever leaders up to this term have let logs be cut at: somebody may have cut there, or will. What
   * later ones let be cut does not matter: nothing of a deposed leader's term is committed any more.
   */
  #checkHolders(leader: NodeId, term: number, next: Configuration): void {
    const told = [...this.#toldIn].map(([of, cutPoint]) => (of <= term ? cutPoint : 0));
    const cutPoint = Math.max(0, ...told);
    const holds = (voter: NodeId): boolean => this.view.storedBy(voter) >= cutPoint;
    this.#ledger.expect('S4', isQuorum(next, holds), () => {
      return `${leader} changes voters to ${show(next)}, of whose storages no majority holds ${cutPoint}`;
    });
  }

  #checkStep(node: NodeId, before: Configuration, after: Configuration): void {
    const isStep =
      before.outgoing.length > 0
        ? after.outgoing.length === 0 && isSameSet(after.voters, before.voters)
        : isSameSet(after.outgoing.length > 0 ? after.outgoing : after.voters, before.voters);
    this.#ledger.expect('I21', isStep, () => {
      return `${node} goes from ${show(before)} to ${show(after)}, whose majorities may not meet`;
    });
    const back = replicasOf(after).filter((each) => before.removed.includes(each));
    this.#ledger.expect('I21', back.length === 0, () => `${node} admits ${back.join(' ')} again`);
  }

  #checkPromoted(leader: NodeId, voter: NodeId): void {
    const [held, needed] = [this.view.storedBy(voter), this.#cutPoints.get(leader) ?? 0];
    this.#ledger.expect('S5', held >= needed, () => {
      return `${leader} lets ${voter} vote, whose storage holds ${held}, and logs may be cut at ${needed}`;
    });
  }
}

function show({ voters, outgoing, learners, joining }: Configuration): string {
  const lists = [voters, outgoing, learners, joining].map((nodes) => nodes.join(' ') || '-');
  return `[${lists.join(' | ')}]`;
}
