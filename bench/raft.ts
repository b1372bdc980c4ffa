/**
 * The consensus core alone: three replicas on one thread, messages and writes carried out at once in
 * memory. How many small entries a second are committed, in turns of so many proposals, and how many
 * bytes of heap an entry costs all three replicas together.
 */
import { getHeapStatistics } from 'node:v8';
import {
  configurationOf,
  RaftNode,
  type Message,
  type RaftConfig,
  type Ready,
} from '@kvstore/raft';
import { LOG_START, nodeId, SeededRandom, term, type NodeId } from '@kvstore/std';
import { round } from './measure/statistics.ts';
import { parseOptions } from './options.ts';
import { machine } from './report/machine.ts';
import { cell, printTable } from './report/table.ts';

const ENTRY_BYTES = 16;
const TURNS_OF = [1, 16, 256, 1024];
const WARM_UP_MS = 500;
const MEASURED_MS = 2_000;
const ALLOCATION_TURNS = 200;
const ELECTION_TICKS = 10;
const MIB = 1 << 20;

class Cluster {
  readonly #nodes = new Map<NodeId, RaftNode>();
  readonly leader: RaftNode;

  constructor() {
    const ids = ['n1', 'n2', 'n3'].map(nodeId);
    for (const id of ids) {
      this.#nodes.set(
        id,
        new RaftNode(configFor(id), {
          hardState: { term: term(0), vote: undefined },
          repairTerm: term(0),
          base: {
            position: LOG_START,
            configuration: configurationOf(ids),
            note: new Uint8Array(0),
          },
          last: LOG_START,
          spans: [],
          configurations: [],
        }),
      );
    }
    const nodes = [...this.#nodes.values()];
    for (let tick = 1; nodes.every((node) => node.status().role !== 'leader'); tick++) {
      for (const node of nodes) node.tick(tick);
      this.settle();
    }
    this.leader = nodes.find((node) => node.status().role === 'leader') as RaftNode;
  }

  /** One turn: `count` proposals, then everything they lead to. */
  turn(count: number, body: Uint8Array): void {
    for (let i = 0; i < count; i++) {
      if (this.leader.propose(body).kind !== 'appended') throw new Error('a proposal was refused');
    }
    this.settle();
  }

  settle(): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const node of this.#nodes.values()) {
        if (!node.hasReady()) continue;
        moved = true;
        this.#carryOut(node, node.ready());
      }
    }
  }

  #carryOut(node: RaftNode, ready: Ready): void {
    if (ready.hardState !== undefined) node.hardStatePersisted(ready.hardState);
    const last = ready.append.at(-1);
    for (const message of ready.messages) this.#deliver(message);
    if (last !== undefined) node.persisted(last.index, last.term);
  }

  #deliver(message: Message): void {
    this.#nodes.get(message.to)?.step(message);
  }
}

function configFor(id: NodeId): RaftConfig {
  return {
    id,
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: 2,
    tickMs: 25,
    yieldTicks: 0,
    random: new SeededRandom(id.charCodeAt(1)),
    openingBody: () => new Uint8Array(0),
    configurations: { encode: () => new Uint8Array(0), decode: () => undefined },
    appendBytesMax: 384 * 1024,
    inflightBytesMax: 4 * MIB,
    inflightAppendsMax: 256,
    uncommittedBytesMax: 16 * MIB,
    tailBytesMax: 8 * MIB,
  };
}

interface Measured {
  readonly proposalsPerTurn: number;
  readonly entriesPerSecond: number;
  readonly microsecondsPerEntry: number;
  readonly heapBytesPerEntry: number;
}

export function benchRaft(args: readonly string[]): Promise<unknown> {
  parseOptions(args, {});
  const measured = TURNS_OF.map(measure);
  printTable(
    ['proposals per turn', 'entries/s', 'µs per entry', 'heap bytes per entry'],
    measured.map((each) => [
      String(each.proposalsPerTurn),
      cell(each.entriesPerSecond),
      each.microsecondsPerEntry.toFixed(2),
      cell(each.heapBytesPerEntry),
    ]),
  );
  return Promise.resolve({
    benchmark: 'raft',
    machine: machine('.'),
    entryBytes: ENTRY_BYTES,
    replicas: 3,
    measured,
  });
}

function measure(proposalsPerTurn: number): Measured {
  const cluster = new Cluster();
  const body = new Uint8Array(ENTRY_BYTES);
  const turns = (forMs: number): { readonly entries: number; readonly ms: number } => {
    const before = cluster.leader.status().commitIndex;
    const begin = performance.now();
    while (performance.now() - begin < forMs) cluster.turn(proposalsPerTurn, body);
    const ms = performance.now() - begin;
    return { entries: cluster.leader.status().commitIndex - before, ms };
  };
  turns(WARM_UP_MS);
  const { entries, ms } = turns(MEASURED_MS);
  const heapBytes = heapBytesPerTurn(() => cluster.turn(proposalsPerTurn, body));
  return {
    proposalsPerTurn,
    entriesPerSecond: round((entries / ms) * 1000, 0),
    microsecondsPerEntry: round((ms * 1000) / entries, 2),
    heapBytesPerEntry: round(heapBytes / proposalsPerTurn, 0),
  };
}

/** Growth of the heap over turns in which nothing was collected. */
function heapBytesPerTurn(turn: () => void): number {
  let bytes = 0;
  let counted = 0;
  for (let i = 0; i < ALLOCATION_TURNS; i++) {
    const before = getHeapStatistics().used_heap_size;
    turn();
    const grown = getHeapStatistics().used_heap_size - before;
    if (grown < 0) continue;
    bytes += grown;
    counted++;
  }
  return bytes / Math.max(1, counted);
}
