/**
 * What the logs of the nodes promise each other and the disk (I3 to I8, I27, I28): checked at every
 * append, at everything that becomes durable, and at every recovery.
 */
import type { Entry, HardState } from '@kvstore/raft';
import type { NodeId } from '@kvstore/std';
import type { StoreWitness } from '../world/watched-stores.ts';
import type { Ghost, NodeLog } from './ghost.ts';
import type { Ledger } from './ledger.ts';

/** The limit that the simulated sequencer was given, and one entry that may be above it. */
const ENTRY_BYTES_MAX = 400 * 1024;

export class LogInvariants {
  readonly #ghost: Ghost;
  readonly #ledger: Ledger;
  /** Chain of every entry ever appended, by index and term. */
  readonly #chains = new Map<string, number>();
  /** The term in which a node leads now. */
  readonly leading = new Map<NodeId, number>();
  readonly #uncommittedBytesMax: number;

  constructor(ghost: Ghost, ledger: Ledger, uncommittedBytesMax: number) {
    this.#ghost = ghost;
    this.#ledger = ledger;
    this.#uncommittedBytesMax = uncommittedBytesMax;
  }

  witness(node: NodeId): StoreWitness {
    const log = this.#ghost.logOf(node);
    return {
      recovered: (entries, state) => this.#recovered(log, entries, state),
      appended: (entries) => this.#appended(log, entries),
      entriesDurable: (entries) => log.finishWrite(entries),
      saved: (state) => this.#saved(log, state),
      stateDurable: (state) => {
        log.durableHardState = state;
      },
    };
  }

  #recovered(log: NodeLog, entries: readonly Entry[], state: HardState): void {
    const { node, durableIndex, durableHardState } = log;
    const kept =
      durableIndex === 0 || entries[durableIndex - 1]?.chain === log.at(durableIndex)?.chain;
    this.#ledger.expect('I28', kept, () => {
      return `${node} restarts with ${entries.length} entries and not with its durable ${durableIndex}`;
    });
    const foreign = entries.find((entry) => !log.hasWritten(entry));
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
    log.restart(entries, state);
  }

  #appended(log: NodeLog, entries: readonly Entry[]): void {
    const first = entries[0] as Entry;
    const { node } = log;
    if (this.leading.get(node) === first.term) {
      this.#ledger.expect('I4', first.index === log.lastIndex + 1, () => {
        return `${node} leads term ${first.term} and overwrites ${first.index} of ${log.lastIndex}`;
      });
    }
    for (const entry of entries) this.#checkChain(node, entry);
    const held = log.at(first.index)?.chain;
    const committed = this.#ghost.committed[first.index - 1]?.chain;
    const isKept = held === undefined || held !== committed || first.chain === committed;
    this.#ledger.expect('I8', isKept, () => {
      return `${node} overwrites entry ${first.index}, which is committed`;
    });
    log.append(entries);
    this.#checkBytes(log);
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
