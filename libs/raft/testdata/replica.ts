/**
 * A `RaftNode` with a driver and a disk in memory, for tests: carries out every `Ready` to the
 * letter of the manual in `src/index.ts`. Writes become durable one by one, when the test says so; a
 * crash takes everything else. What was handed out is kept for the test to judge.
 */
import { LOG_START, nodeId, term, type LogPosition, type NodeId } from '@kvstore/std';
import { positionOf } from '../src/entry.ts';
import { RaftNode } from '../src/index.ts';
import type { Entry, HardState, LoadRequest, RaftConfig, Ready, TermSpan } from '../src/index.ts';

type Write =
  | { readonly kind: 'hard-state'; readonly state: HardState }
  | { readonly kind: 'append'; readonly entries: readonly Entry[] };

export interface ReplicaEvents {
  /** A `Ready` was taken and its writes were queued. */
  onReady(replica: SimulatedReplica, ready: Ready): void;
}

export class SimulatedReplica {
  readonly id: NodeId;
  readonly #config: RaftConfig;
  readonly #events: ReplicaEvents;
  /** Undefined while crashed. */
  node: RaftNode | undefined;
  /** Durable. */
  hardState: HardState = { term: term(0), vote: undefined };
  readonly disk: Entry[] = [];
  /** What the disk will be once every write has been carried out. */
  log: Entry[] = [];
  readonly writes: Write[] = [];
  readonly loads: LoadRequest[] = [];
  /** How often entries that were handed out before were overwritten. */
  truncations = 0;

  constructor(config: RaftConfig, events: ReplicaEvents) {
    this.id = config.id;
    this.#config = config;
    this.#events = events;
  }

  start(): void {
    this.log = [...this.disk];
    this.node = new RaftNode(this.#config, {
      hardState: this.hardState,
      last: positionAt(this.log, this.log.length),
      spans: spansOf(this.log),
    });
  }

  crash(): void {
    this.node = undefined;
    this.writes.length = 0;
    this.loads.length = 0;
    this.log = [...this.disk];
  }

  /** Takes what is ready and queues its writes and loads. */
  pump(): void {
    while (this.node?.hasReady() === true) {
      const ready = this.node.ready();
      if (ready.hardState !== undefined) {
        this.writes.push({ kind: 'hard-state', state: ready.hardState });
      }
      if (ready.append.length > 0) {
        this.writes.push({ kind: 'append', entries: ready.append });
        if ((ready.append[0] as Entry).index <= this.log.length) this.truncations++;
        place(this.log, ready.append);
      }
      this.loads.push(...ready.loads);
      this.#events.onReady(this, ready);
    }
  }

  /** Makes the oldest write durable and says so. Returns false when there is none. */
  completeWrite(): boolean {
    const write = this.writes.shift();
    if (write === undefined) return false;
    if (write.kind === 'hard-state') {
      this.hardState = write.state;
      this.node?.hardStatePersisted(write.state);
    } else {
      place(this.disk, write.entries);
      const last = write.entries[write.entries.length - 1] as Entry;
      this.node?.persisted(last.index, last.term);
    }
    return true;
  }

  /** Answers the oldest load from the log. Returns false when there is none. */
  completeLoad(): boolean {
    const load = this.loads.shift();
    if (load === undefined) return false;
    // Cut off since it was asked for, so that nobody here waits for it any more.
    if (load.from - 1 > this.log.length) return true;
    const entries: Entry[] = [];
    let bytes = 0;
    for (const entry of this.log.slice(load.from - 1)) {
      bytes += entry.body.length;
      if (entries.length > 0 && bytes > load.maxBytes) break;
      entries.push(entry);
    }
    this.node?.loaded(load.to, positionAt(this.log, load.from - 1), entries);
    return true;
  }
}

/** What an append does to a log: cut at its first index, then the entries. */
function place(log: Entry[], entries: readonly Entry[]): void {
  log.length = Math.min(log.length, (entries[0] as Entry).index - 1);
  for (const entry of entries) {
    if (entry.index !== log.length + 1) throw new Error(`append leaves a gap at ${entry.index}`);
    log.push(entry);
  }
}

/** Position of the entry at `index` of a whole log. */
export function positionAt(log: readonly Entry[], index: number): LogPosition {
  return index === 0 ? LOG_START : positionOf(log[index - 1] as Entry);
}

export function spansOf(log: readonly Entry[]): TermSpan[] {
  const spans: TermSpan[] = [];
  for (const entry of log) {
    if (spans[spans.length - 1]?.term === entry.term) continue;
    spans.push({ term: entry.term, firstIndex: entry.index });
  }
  return spans;
}

export function nodeIds(count: number): NodeId[] {
  return Array.from({ length: count }, (_, i) => nodeId(`n${i + 1}`));
}
