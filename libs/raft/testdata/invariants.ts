/**
 * What must hold at every moment of every run, judged from outside with a memory that no crash
 * touches. Numbers are those of the project's list of invariants: I1 election safety, I2 one durable
 * vote per term, I3 nothing goes down, I4 leader append-only, I5 log matching, I6 leader
 * completeness, I7 state machine safety, I8 committed is durable on a majority, I11 commit by an entry
 * of the own term, I12 match and durability, I19 linearizable reads.
 */
import type { LogPosition, NodeId } from '@kvstore/std';
import type { Configuration, Entry, HardState, Message, Ready } from '../src/index.ts';
import { JointQuorum } from '../src/quorum/joint.ts';
import type { DiskLog } from './replica.ts';
import type { SimulatedReplica } from './replica.ts';

interface PendingRead {
  readonly replica: NodeId;
  readonly term: number;
  /** Everything that was committed anywhere when the read was asked for. */
  readonly indexMin: number;
}

export class Invariants {
  readonly #replicas: readonly SimulatedReplica[];
  readonly #leaders = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  readonly #hardStates = new Map<NodeId, HardState>();
  readonly #commits = new Map<NodeId, number>();
  readonly #leaderEnds = new Map<string, LogPosition>();
  readonly #matches = new Map<string, number>();
  readonly #entries = new Map<string, Entry>();
  readonly #reads = new Map<number, PendingRead>();
  readonly #repairing = new Set<NodeId>();
  readonly committed: Entry[] = [];
  /** The term in which each of them was committed. */
  readonly #committedIn: number[] = [];
  /** How often something happened: a run in which nothing happens proves nothing. */
  readonly seen = {
    elections: 0,
    commits: 0,
    reads: 0,
    abandonedReads: 0,
    loads: 0,
    truncations: 0,
    configurations: 0,
    installs: 0,
    transfers: 0,
    damages: 0,
    repairs: 0,
  };

  constructor(replicas: readonly SimulatedReplica[]) {
    this.#replicas = replicas;
  }

  readRequested(replica: SimulatedReplica, context: number): void {
    const term = replica.node?.status().term ?? 0;
    this.#reads.set(context, { replica: replica.id, term, indexMin: this.committed.length });
  }

  get waitingReads(): number {
    return this.#reads.size;
  }

  crashed(replica: SimulatedReplica): void {
    this.#commits.delete(replica.id);
    for (const [context, read] of this.#reads) {
      if (read.replica === replica.id) this.#reads.delete(context);
    }
  }

  onReady(replica: SimulatedReplica, ready: Ready): void {
    this.#watchRepair(replica);
    this.seen.loads += ready.loads.length;
    if (ready.configuration !== undefined) this.seen.configurations++;
    if (ready.install !== undefined) this.#onInstall(replica, ready.install.position);
    this.seen.truncations = this.#replicas.reduce((sum, of) => sum + of.truncations, 0);
    for (const entry of ready.append) this.#onAppend(entry);
    if (ready.softState?.role === 'leader') this.#onLeader(replica, ready.softState.term);
    if (ready.commitIndex !== undefined)
      this.#onCommit(replica, ready.commitIndex, ready.committed);
    for (const message of ready.messages) this.#onSent(replica, message);
    for (const { context, index } of ready.reads) this.#onRead(context, index);
    for (const context of ready.abandonedReads) {
      must(this.#reads.delete(context), `I19 read ${context} abandoned twice`);
      this.seen.abandonedReads++;
    }
  }

  /** After every event: what can be seen from the replicas' disks and knowledge. */
  check(): void {
    for (const replica of this.#replicas) {
      this.#checkHardState(replica);
      if (replica.node?.status().role === 'leader') this.#checkLeader(replica);
    }
  }

  /** Nobody leads whose log is under repair. */
  #watchRepair(replica: SimulatedReplica): void {
    const status = replica.node?.status();
    if (status === undefined) return;
    if (status.isUnderRepair) this.#repairing.add(replica.id);
    else if (this.#repairing.delete(replica.id)) this.seen.repairs++;
    const leads = status.role === 'leader' || status.role === 'candidate';
    must(!status.isUnderRepair || !leads, `${replica.id} stands for election under repair`);
  }

  #onInstall(replica: SimulatedReplica, base: LogPosition): void {
    this.seen.installs++;
    const known = this.committed[base.index - 1];
    must(known?.chain === base.chain, `I7 ${replica.id} installs ${base.index} uncommitted`);
  }

  #onAppend(entry: Entry): void {
    const key = `${entry.index}/${entry.term}`;
    const known = this.#entries.get(key);
    if (known === undefined) this.#entries.set(key, entry);
    else must(known.chain === entry.chain && known.body === entry.body, `I5 two entries ${key}`);
  }

  #onLeader(replica: SimulatedReplica, term: number): void {
    const known = this.#leaders.get(term);
    must(known === undefined || known === replica.id, `I1 ${known} and ${replica.id} lead ${term}`);
    this.#leaders.set(term, replica.id);
    if (known === undefined) this.seen.elections++;
    // A candidate may win late, when a later term has committed more: that is not in its promise.
    let end = this.committed.length;
    while (end > 0 && (this.#committedIn[end - 1] as number) >= term) end--;
    const isComplete =
      end === 0 || replica.log.positionAt(end)?.chain === this.committed[end - 1]?.chain;
    must(isComplete, `I6 leader ${replica.id} of ${term} lacks ${end}`);
  }

  #onCommit(replica: SimulatedReplica, commitIndex: number, listed: readonly Entry[]): void {
    must(
      commitIndex > (this.#commits.get(replica.id) ?? 0),
      `I3 commit of ${replica.id} goes down`,
    );
    this.#commits.set(replica.id, commitIndex);
    const status = replica.node?.status();
    const end = replica.log.positionAt(commitIndex);
    must(end !== undefined, `I7 ${replica.id} commits ${commitIndex} without having it`);
    if (status?.role === 'leader') {
      must(
        end.term === status.term,
        `I11 ${replica.id} commits ${commitIndex} of term ${end.term}`,
      );
      this.#checkDurable(end, status.configuration.configuration);
    }
    while (this.committed.length < commitIndex) {
      const entry = replica.log.entryAt(this.committed.length + 1) as Entry;
      this.committed.push(entry);
      this.#committedIn.push(status?.term ?? 0);
      this.seen.commits++;
    }
    must(
      this.committed[commitIndex - 1]?.chain === end.chain,
      `I7 ${replica.id} at ${commitIndex}`,
    );
    let index = commitIndex - listed.length;
    for (const entry of listed) {
      index++;
      must(entry.index === index, `committed entries of ${replica.id} are not contiguous`);
      must(this.committed[index - 1]?.chain === entry.chain, `I7 ${replica.id} applies ${index}`);
    }
  }

  #onSent(replica: SimulatedReplica, message: Message): void {
    const { hardState, disk } = replica;
    const isTermDurable = hardState.term >= message.term;
    if (message.kind === 'timeout-now') this.seen.transfers++;
    if (message.kind === 'vote-request') this.#onVote(replica, message.term, replica.id);
    if (message.kind === 'vote-response' && message.granted) {
      this.#onVote(replica, message.term, message.to);
    }
    if (message.kind === 'append-response' && message.result.kind === 'accepted') {
      must(isTermDurable, `I2 ${replica.id} accepts in ${message.term} before that is durable`);
      must(
        message.result.matchIndex <= disk.lastIndex,
        `I12 ${replica.id} accepts before its disk`,
      );
    }
  }

  #onVote(replica: SimulatedReplica, term: number, candidate: NodeId): void {
    const { hardState } = replica;
    const isDurable =
      hardState.term > term || (hardState.term === term && hardState.vote === candidate);
    must(isDurable, `I2 vote of ${replica.id} in ${term} leaves before it is durable`);
    const key = `${replica.id}/${term}`;
    const known = this.#votes.get(key);
    must(known === undefined || known === candidate, `I2 ${replica.id} votes twice in ${term}`);
    this.#votes.set(key, candidate);
  }

  #onRead(context: number, index: number): void {
    const read = this.#reads.get(context);
    must(read !== undefined, `I19 read ${context} granted twice`);
    this.#reads.delete(context);
    this.seen.reads++;
    must(index >= read.indexMin, `I19 read ${context} at ${index} misses ${read.indexMin}`);
    must(this.committed[index - 1]?.term === read.term, `I19 read ${context} before an own commit`);
  }

  #checkHardState(replica: SimulatedReplica): void {
    const { hardState } = replica;
    const earlier = this.#hardStates.get(replica.id);
    if (earlier === hardState) return;
    this.#hardStates.set(replica.id, hardState);
    if (earlier === undefined) return;
    must(hardState.term >= earlier.term, `I3 term of ${replica.id} goes down`);
    const isSameTerm = hardState.term === earlier.term;
    must(!isSameTerm || earlier.vote === undefined, `I2 vote of ${replica.id} changes`);
  }

  #checkLeader(leader: SimulatedReplica): void {
    const status = leader.node?.status();
    if (status === undefined) return;
    const key = `${leader.id}/${status.term}`;
    const end = this.#leaderEnds.get(key);
    if (end !== undefined) {
      must(
        leader.log.positionAt(end.index)?.chain === end.chain,
        `I4 leader ${key} changes its log`,
      );
    }
    this.#leaderEnds.set(key, leader.log.last);
    for (const { node, matchIndex } of status.progress) {
      const matchKey = `${key}/${node}`;
      must(matchIndex >= (this.#matches.get(matchKey) ?? 0), `I12 match of ${matchKey} goes down`);
      this.#matches.set(matchKey, matchIndex);
      const follower = this.#replicas.find((replica) => replica.id === node) as SimulatedReplica;
      if (matchIndex === 0 || follower.hardState.term > status.term) continue;
      const known = leader.log.positionAt(matchIndex);
      must(
        known === undefined || holds(follower.disk, known),
        `I12 ${matchKey} is not ${matchIndex}`,
      );
    }
  }

  /** Those who have it on disk are a quorum of the configuration by which it was committed. */
  #checkDurable(last: LogPosition, { voters, outgoing }: Configuration): void {
    // What is under repair may be counted on for what it has lost: it votes for nobody without it.
    const holders = this.#replicas
      .filter(({ disk, isUnderRepair }) => isUnderRepair || holds(disk, last))
      .map(({ id }) => id);
    const isQuorum = new JointQuorum(voters, outgoing).isReached((id) => holders.includes(id));
    must(isQuorum, `I8 ${last.index} is durable on ${holders.join(' ')} only`);
  }
}

/** What is below the base of a log was committed, and is the same everywhere. */
function holds(log: DiskLog, position: LogPosition): boolean {
  if (position.index < log.base.position.index) return true;
  return log.positionAt(position.index)?.chain === position.chain;
}

export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
