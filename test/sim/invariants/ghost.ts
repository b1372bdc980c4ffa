/**
 * What the checkers know of the whole cluster, which no part of it knows: the log of every node with
 * what is durable of it, and the entries that some leader has committed. Survives every crash.
 */
import type { Entry, HardState } from '@kvstore/raft';
import { assert, type LogIndex, type NodeId, type Term } from '@kvstore/std';

interface HeldEntry {
  readonly entry: Entry;
  /** Number of the append that wrote it: an earlier write of the same entry proves nothing. */
  readonly write: number;
}

/** The log of one node, as its store was told. */
export class NodeLog {
  readonly node: NodeId;
  #entries: HeldEntry[] = [];
  #durable = 0;
  #writes = 0;
  #finished = 0;
  readonly #writeEnds: (readonly Entry[])[] = [];
  /** Chains that were ever written here, by index. */
  readonly #everWritten = new Map<LogIndex, Set<number>>();
  hardState: HardState;
  durableHardState: HardState;

  constructor(node: NodeId, initial: HardState) {
    this.node = node;
    this.hardState = initial;
    this.durableHardState = initial;
  }

  get lastIndex(): number {
    return this.#entries.length;
  }

  get durableIndex(): number {
    return this.#durable;
  }

  get last(): Entry | undefined {
    return this.#entries.at(-1)?.entry;
  }

  at(index: number): Entry | undefined {
    return this.#entries[index - 1]?.entry;
  }

  /** Has this node ever written that entry? */
  hasWritten(entry: Entry): boolean {
    return this.#everWritten.get(entry.index)?.has(entry.chain) === true;
  }

  holdsDurably(index: number, chain: number): boolean {
    return index <= this.#durable && this.at(index)?.chain === chain;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    assert(first !== undefined && first.index <= this.lastIndex + 1, 'an append behind a gap');
    this.#entries.length = first.index - 1;
    this.#durable = Math.min(this.#durable, first.index - 1);
    this.#writes += 1;
    this.#writeEnds.push(entries);
    for (const entry of entries) {
      this.#entries.push({ entry, write: this.#writes });
      const chains = this.#everWritten.get(entry.index) ?? new Set();
      this.#everWritten.set(entry.index, chains.add(entry.chain));
    }
  }

  /** The oldest append that was not finished is durable. */
  finishWrite(entries: readonly Entry[]): void {
    const write = ++this.#finished;
    assert(this.#writeEnds.shift() === entries, 'appends become durable in their order');
    for (const { index } of entries) {
      if (index !== this.#durable + 1) continue;
      if (this.#entries[index - 1]?.write === write) this.#durable = index;
    }
  }

  restart(entries: readonly Entry[], state: HardState): void {
    this.#writes = 0;
    this.#finished = 0;
    this.#writeEnds.length = 0;
    this.#entries = entries.map((entry) => ({ entry, write: 0 }));
    this.#durable = entries.length;
    this.hardState = state;
    this.durableHardState = state;
  }
}

export class Ghost {
  readonly logs = new Map<NodeId, NodeLog>();
  /** By index − 1. */
  readonly committed: Entry[] = [];
  /** Term of the leader that committed each of them first. */
  readonly committedIn: number[] = [];
  /** Of every term in which somebody acted as leader. */
  readonly leaders = new Map<Term, NodeId>();
  /** Terms in which some node has stood for election. */
  readonly termsBegun = new Set<Term>();
  /** Index of the newest entry that anybody outside was told to be committed. */
  acknowledgedIndex = 0;

  logOf(node: NodeId): NodeLog {
    const log = this.logs.get(node);
    assert(log !== undefined, 'no such node');
    return log;
  }

  commit(entry: Entry, leaderTerm: number): void {
    this.committed.push(entry);
    this.committedIn.push(leaderTerm);
  }

  /** The newest entry that a leader of an earlier term has committed. */
  newestCommittedBefore(term: number): Entry | undefined {
    let at = this.committed.length - 1;
    while (at >= 0 && (this.committedIn[at] as number) >= term) at -= 1;
    return this.committed[at];
  }

  get majority(): number {
    return Math.floor(this.logs.size / 2) + 1;
  }

  /** Nodes on which this committed entry is durable. */
  durableOn(entry: Entry): number {
    let count = 0;
    for (const log of this.logs.values()) if (log.holdsDurably(entry.index, entry.chain)) count++;
    return count;
  }
}
