/**
 * What the logs of the nodes promise each other and the disk (I3 to I8, I27, I28): checked at every
 * append, at everything that becomes durable, and at every recovery.
 */
import type { Entry, HardState, LogBase } from '@kvstore/raft';
import { LOG_START, type LogPosition, type NodeId } from '@kvstore/std';
import { type FaultAtlas, FaultClass } from '../world/fault-atlas.ts';
import type { StoreWitness } from '../world/watched-stores.ts';
import type { Ghost, NodeLog } from './ghost.ts';
import type { Ledger } from './ledger.ts';
import type { MembershipInvariants } from './membership-invariants.ts';

/** The limit that the simulated sequencer was given, and one entry that may be above it. */
const ENTRY_BYTES_MAX = 400 * 1024;

export class LogInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  readonly #members: MembershipInvariants;
  readonly #atlas: FaultAtlas;
  /** Chain of every entry ever appended, by index and term. */
  readonly #chains = new Map<string, number>();
  /** The term in which a node leads now. */
  readonly leading = new Map<NodeId, number>();
  readonly #uncommittedBytesMax: number;

  constructor(
    ghost: Ghost,
    ledger: Ledger,
    members: MembershipInvariants,
    atlas: FaultAtlas,
    uncommittedBytesMax: number,
  ) {
    this.#atlas = atlas;
    this.#members = members;
    this.#ghost = ghost;
    this.#ledger = ledger;
    this.#uncommittedBytesMax = uncommittedBytesMax;
  }

  witness(node: NodeId, isOnDisk: (entry: Entry) => boolean): StoreWitness {
    const log = this.#ghost.logOf(node);
    return {
      recovered: (base, entries, state) => this.#recovered(log, base, entries, state),
      cut: ({ position }) => this.#cut(log, position.index),
      installing: ({ position }) => this.#installing(log, position),
      baseDurable: ({ position }) => log.baseDurable(position.index),
      appended: (entries) => this.#appended(log, entries),
      entriesDurable: (entries) => {
        this.#checkDisk(node, entries, isOnDisk);
        log.finishWrite(entries);
      },
      saved: (state) => this.#saved(log, state),
      stateDurable: (state) => {
        log.durableHardState = state;
      },
    };
  }

  #recovered(
    log: NodeLog,
    base: LogBase | undefined,
    above: readonly Entry[],
    state: HardState,
  ): void {
    const { node, durableIndex, durableHardState } = log;
    const below = this.#below(node, base?.position ?? LOG_START);
    const entries = [...below, ...above];
    const kept =
      durableIndex === 0 || entries[durableIndex - 1]?.chain === log.at(durableIndex)?.chain;
    this.#ledger.expect('I28', kept, () => {
      return `${node} restarts with ${entries.length} entries and not with its durable ${durableIndex}`;
    });
    const foreign = above.find((entry) => !log.hasWritten(entry));
    this.#ledger.expect('I27', foreign === undefined, () => {
      return `${node} restarts with an entry ${foreign?.index} of term ${foreign?.term} that it never wrote`;
    });
    const isOlder =
      state.term < durableHardState.term ||
      (state.term === durableHardState.term &&
        durableHardState.vote !== undefined &&
        state.vote !== durableHardState.vote);
    this.#ledger.expect('I3', !isOlder, () => {
      return `${node} restarts with ${show(state)} after ${show(durableHardState)} was durable`;
    });
    log.baseIndex = below.length;
    log.restart(entries, state, base && this.#ghost.founding);
  }

  /** What stands for the entries up to a base: it is committed, so that they are known. */
  #below(node: NodeId, { index, chain }: LogPosition): readonly Entry[] {
    const { committed } = this.#ghost;
    this.#ledger.expect('I27', index === 0 || committed[index - 1]?.chain === chain, () => {
      return `the log of ${node} begins after ${index}, which is not committed so`;
    });
    return committed.slice(0, index);
  }

  #cut(log: NodeLog, index: number): void {
    this.#ledger.expect('S6', index <= this.#ghost.cutPoint && index <= log.durableIndex, () => {
      return `${log.node} cuts its log at ${index}; durable is ${log.durableIndex}, and no leader has let it above ${this.#ghost.cutPoint}`;
    });
    log.baseIndex = index;
    this.#atlas.count(FaultClass.logCut);
  }

  #installing(log: NodeLog, base: LogPosition): void {
    const isHeld = log.at(base.index)?.chain === base.chain;
    this.#ledger.expect('I26', !isHeld, () => {
      return `${log.node} replaces its log by a base at ${base.index}, an entry that it holds`;
    });
    log.installing(this.#below(log.node, base), this.#ghost.founding);
    this.#atlas.count(FaultClass.baseInstalled);
  }

  #appended(log: NodeLog, entries: readonly Entry[]): void {
    const first = entries[0] as Entry;
    const { node } = log;
    if (this.leading.get(node) === first.term) {
      this.#ledger.expect('I4', first.index === log.lastIndex + 1, () => {
        return `${node} leads term ${first.term} and overwrites ${first.index} of ${log.lastIndex}`;
      });
    }
    for (const entry of entries) {
      this.#checkChain(node, entry);
      this.#members.appending(node, entry);
    }
    const held = log.at(first.index)?.chain;
    const committed = this.#ghost.committed[first.index - 1]?.chain;
    const isKept = held === undefined || held !== committed || first.chain === committed;
    this.#ledger.expect('I8', isKept, () => {
      return `${node} overwrites entry ${first.index}, which is committed`;
    });
    log.append(entries);
    this.#checkBytes(log);
  }

  /** Of appends that may be written in parts: looking through files costs more than an append. */
  #checkDisk(node: NodeId, entries: readonly Entry[], isOnDisk: (entry: Entry) => boolean): void {
    const last = entries.at(-1) as Entry;
    if (entries.length === 1) return;
    this.#ledger.expect('D1', isOnDisk(last), () => {
      return `${node} calls an append up to ${last.index}/${last.term} durable, and a power cut would lose that entry`;
    });
  }

  #checkChain(node: NodeId, entry: Entry): void {
    const id = `${entry.index}/${entry.term}`;
    const known = this.#chains.get(id);
    if (known === undefined) this.#chains.set(id, entry.chain);
    this.#ledger.expect('I5', known === undefined || known === entry.chain, () => {
      return `${node} appends another entry ${id} than was appended before`;
    });
  }

  #checkBytes(log: NodeLog): void {
    if (!this.leading.has(log.node)) return;
    let bytes = 0;
    const settled = Math.min(log.durableIndex, this.#ghost.committed.length);
    for (let index = settled + 1; index <= log.lastIndex; index++) {
      bytes += (log.at(index) as Entry).body.length;
    }
    this.#ledger.expect('I32', bytes <= this.#uncommittedBytesMax + ENTRY_BYTES_MAX, () => {
      return `${log.node} holds ${bytes} bytes that are not committed and durable`;
    });
  }

  #saved(log: NodeLog, state: HardState): void {
    this.#ledger.expect('I3', state.term >= log.hardState.term, () => {
      return `${log.node} saves ${show(state)} after ${show(log.hardState)}`;
    });
    // A term begins with somebody who stands for election in it: a pre-vote alone begins none.
    if (state.vote === log.node) this.#ghost.termsBegun.add(state.term);
    this.#ledger.expect('I23', this.#ghost.termsBegun.has(state.term), () => {
      return `${log.node} saves ${show(state)}, a term in which nobody stands for election`;
    });
    log.hardState = state;
  }
}

function show({ term, vote }: HardState): string {
  return `term ${term}, vote ${vote ?? 'none'}`;
}
