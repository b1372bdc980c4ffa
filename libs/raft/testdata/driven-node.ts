/**
 * One node among voters that exist only as messages, with a disk that completes at once unless it is
 * held: for tests that say exactly what arrives and look at exactly what leaves.
 */
import { LOG_START, logIndex, term, type LogPosition, type NodeId } from '@kvstore/std';
import {
  configurationOf,
  type AppendRequest,
  type Configuration,
  type Entry,
  type LogBase,
  type Message,
  type RaftConfig,
  type RaftNode,
  type Ready,
} from '../src/index.ts';
import { jsonConfigurations } from './configurations.ts';
import { nodeIds, SimulatedReplica } from './replica.ts';

export const ELECTION_TICKS = 10;
export const TICK_MS = 10;

export interface Setup extends Partial<RaftConfig> {
  readonly size?: number;
  readonly log?: readonly Entry[];
  readonly term?: number;
  readonly vote?: NodeId;
  /** Instead of a configuration in which all vote. */
  readonly configuration?: Configuration;
  /** Of a log that was cut; `log` follows it. */
  readonly base?: LogBase;
}

/** Settings of a replica in a test, for what it does not say itself. */
export function testConfig(id: NodeId): RaftConfig {
  return {
    id,
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: 1,
    tickMs: TICK_MS,
    yieldTicks: 0,
    random: { below: () => 0 },
    openingBody: () => new Uint8Array(0),
    configurations: jsonConfigurations,
    appendBytesMax: 4096,
    inflightBytesMax: 65_536,
    inflightAppendsMax: 1_000,
    uncommittedBytesMax: 65_536,
    tailBytesMax: 65_536,
  };
}

export class DrivenNode {
  readonly replica: SimulatedReplica;
  readonly ids: readonly NodeId[];
  readonly readies: Ready[] = [];
  isDiskHeld = false;
  nowMs = 0;

  constructor({
    size = 3,
    log = [],
    term: hardTerm,
    vote,
    configuration,
    base,
    ...config
  }: Setup = {}) {
    this.ids = nodeIds(size);
    const [id = this.ids[0] as NodeId] = this.ids;
    this.replica = new SimulatedReplica(
      { ...testConfig(id), ...config },
      configuration ?? configurationOf(this.ids),
      { onReady: (_, ready) => this.readies.push(ready) },
    );
    if (base !== undefined) this.replica.disk.install(base);
    this.replica.disk.entries.push(...log);
    const { last } = this.replica.disk;
    this.replica.hardState = { term: term(hardTerm ?? last.term), vote };
    this.replica.start();
  }

  get node(): RaftNode {
    return this.replica.node as RaftNode;
  }

  /** Takes all that is ready, completing writes unless the disk is held. Returns what was sent. */
  settle(): Message[] {
    const from = this.readies.length;
    do this.replica.pump();
    while (!this.isDiskHeld && (this.replica.completeWrite() || this.replica.completeLoad()));
    return this.readies.slice(from).flatMap((ready) => ready.messages);
  }

  /** One write of a held disk becomes durable. Returns what that let go. */
  write(): Message[] {
    this.replica.pump();
    this.replica.completeWrite();
    return this.settle();
  }

  tick(count = 1): Message[] {
    const sent: Message[] = [];
    for (let i = 0; i < count; i++) {
      this.nowMs += TICK_MS;
      this.node.tick(this.nowMs);
      sent.push(...this.settle());
    }
    return sent;
  }

  step(message: Message): Message[] {
    this.node.step(message);
    return this.settle();
  }

  /** Messages of the voter `n`, to this node. */
  from(n: number): { readonly from: NodeId; readonly to: NodeId } {
    return { from: this.ids[n - 1] as NodeId, to: this.replica.id };
  }

  /** An append of the leader `n` in `leaderTerm` that continues after `previous`. */
  append(
    n: number,
    leaderTerm: number,
    previous: LogPosition = LOG_START,
    entries: readonly Entry[] = [],
    commitIndex = 0,
  ): AppendRequest {
    return {
      kind: 'append-request',
      ...this.from(n),
      term: term(leaderTerm),
      previousIndex: previous.index,
      previousTerm: previous.term,
      previousChain: previous.chain,
      entries,
      commitIndex: logIndex(commitIndex),
    };
  }

  /** Lets this node win an election with the votes of everybody. */
  lead(): Message[] {
    this.tick(ELECTION_TICKS);
    const next = term(this.node.status().term + 1);
    for (let n = 2; n <= this.ids.length; n++) {
      this.step({ kind: 'pre-vote-response', ...this.from(n), term: next, granted: true });
    }
    const sent: Message[] = [];
    for (let n = 2; n <= this.ids.length; n++) {
      sent.push(
        ...this.step({ kind: 'vote-response', ...this.from(n), term: next, granted: true }),
      );
    }
    return sent;
  }

  /** The voter `n` accepts everything up to `matchIndex` in this node's term. */
  accept(n: number, matchIndex: number): Message[] {
    return this.step({
      kind: 'append-response',
      ...this.from(n),
      term: this.node.status().term,
      result: { kind: 'accepted', matchIndex: logIndex(matchIndex) },
    });
  }

  reject(n: number, rejectedIndex: number, hintIndex: number, hintTerm: number): Message[] {
    return this.step({
      kind: 'append-response',
      ...this.from(n),
      term: this.node.status().term,
      result: {
        kind: 'rejected',
        rejectedIndex: logIndex(rejectedIndex),
        hintIndex: logIndex(hintIndex),
        hintTerm: term(hintTerm),
      },
    });
  }

  heartbeatAnswer(n: number, round = 0): Message[] {
    const { term: own } = this.node.status();
    return this.step({ kind: 'heartbeat-response', ...this.from(n), term: own, round });
  }

  /** Every commit index that was reported. */
  get commits(): number[] {
    return this.readies.flatMap(({ commitIndex }) =>
      commitIndex === undefined ? [] : [commitIndex],
    );
  }
}
