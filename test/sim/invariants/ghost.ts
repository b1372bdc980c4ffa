/**
 * What the checkers know of the whole cluster, which no part of it knows: the log of every node with
 * what is durable of it, and the entries that some leader has committed. Survives every crash.
 */
import {
  type Configuration,
  type ConfigurationAt,
  type Entry,
  type HardState,
  NO_CONFIGURATION,
} from '@kvstore/raft';
import { assert, type LogIndex, logIndex, type NodeId, type Term } from '@kvstore/std';
import { configurationIn, isQuorum } from './quorums.ts';

interface HeldEntry {
  readonly entry: Entry;
  /** Number of the append that wrote it: an earlier write of the same entry proves nothing. */
  readonly write: number;
}

/** The log of one node, as its store was told. What was cut off its beginning is committed, and stays here. */
export class NodeLog {
  readonly node: NodeId;
  #entries: HeldEntry[] = [];
  #durable = 0;
  #writes = 0;
  #finished = 0;
  #configurations: ConfigurationAt[];
  readonly #writeEnds: (readonly Entry[])[] = [];
  /** Chains that were ever written here, by index. */
  readonly #everWritten = new Map<LogIndex, Set<number>>();
  /** Its log begins after it. */
  baseIndex = 0;
  hardState: HardState;
  durableHardState: HardState;

  /** `founding`: in force before any entry; empty for who has to be admitted. */
  constructor(node: NodeId, initial: HardState, founding: Configuration) {
    this.node = node;
    this.#configurations = [{ index: logIndex(0), configuration: founding }];
    this.hardState = initial;
    this.durableHardState = initial;
  }

  /**
   * Is what its store was told what its core acts by? The store lags behind while a term or vote waits for
   * the disk, or a base does. `baseIndex`: the core's.
   */
  isLevel(baseIndex: number): boolean {
    return this.hardState === this.durableHardState && this.baseIndex === baseIndex;
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

  /** Oldest first: the founding one, and those of its entries. */
  get configurations(): readonly ConfigurationAt[] {
    return this.#configurations;
  }

  /** In force here: the newest, committed or not. */
  get configuration(): Configuration {
    return (this.#configurations.at(-1) as ConfigurationAt).configuration;
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
    this.#configure(first.index, entries);
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

  /**
   * `entries`: all of them, those below the base of a log that was cut included; `founding`: what that base
   * rests on, if there is one.
   */
  restart(entries: readonly Entry[], state: HardState, founding?: Configuration): void {
    if (founding !== undefined) {
      this.#configurations = [{ index: logIndex(0), configuration: founding }];
    }
    this.#writes = 0;
    this.#finished = 0;
    this.#writeEnds.length = 0;
    this.#hold(entries);
    this.#durable = entries.length;
    this.hardState = state;
    this.durableHardState = state;
  }

  /**
   * A base takes the place of the log: `below`, which is committed. A crash finds the one or the other, so
   * that what is in both of them is durable all the time.
   */
  installing(below: readonly Entry[], founding: Configuration): void {
    while (this.#durable > 0) {
      if (this.at(this.#durable)?.chain === below[this.#durable - 1]?.chain) break;
      this.#durable -= 1;
    }
    // Who was to be admitted learns by it what the others have begun with.
    this.#configurations = [{ index: logIndex(0), configuration: founding }];
    this.#hold(below);
  }

  baseDurable(index: number): void {
    this.#durable = Math.max(this.#durable, index);
    this.baseIndex = index;
  }

  #hold(entries: readonly Entry[]): void {
    this.#entries = entries.map((entry) => ({ entry, write: 0 }));
    this.#configure(1, entries);
  }

  /** Configurations come and go with their entries. */
  #configure(from: number, entries: readonly Entry[]): void {
    this.#configurations = this.#configurations.filter(({ index }) => index < from);
    for (const entry of entries) {
      const configuration = configurationIn(entry);
      if (configuration !== undefined) {
        this.#configurations.push({ index: entry.index, configuration });
      }
    }
  }
}

export class Ghost {
  /** With which the cluster begins. */
  founding: Configuration = NO_CONFIGURATION;
  readonly logs = new Map<NodeId, NodeLog>();
  /** By index − 1. */
  readonly committed: Entry[] = [];
  /** Term of the leader that committed each of them first. */
  readonly committedIn: number[] = [];
  /** Of every term in which somebody acted as leader. */
  readonly leaders = new Map<Term, NodeId>();
  /** Terms in which some node has stood for election. */
  readonly termsBegun = new Set<Term>();
  /** Up to there logs may be cut, as some leader has told. */
  cutPoint = 0;
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

  /** Is this entry durable on what `node`, by its log, has to take for a quorum? */
  isDurableFor(node: NodeId, entry: Entry): boolean {
    return isQuorum(this.logOf(node).configuration, (voter) => {
      return this.logOf(voter).holdsDurably(entry.index, entry.chain);
    });
  }
}
