/**
 * Random runs of whole clusters. A seed decides everything: which faults occur at all, every loss,
 * delay, crash, partition and slow disk, every proposal and read. The invariants are checked after
 * every event; then the faults end, and the cluster must elect a leader, make all logs equal and
 * answer its reads. A failure names its seed: `RAFT_SEED=17 RAFT_SEEDS=1` runs that one alone.
 */
import { logIndex, SeededRandom, type NodeId } from '@kvstore/std';
import { Invariants, must } from '../testdata/invariants.ts';
import { testConfig } from '../testdata/driven-node.ts';
import { nodeIds, SimulatedReplica } from '../testdata/replica.ts';
import type { Change } from './membership/change.ts';
import { configurationOf, NO_CONFIGURATION, replicasOf } from './membership/configuration.ts';
import type { Message } from './message.ts';
import type { Ready } from './ready.ts';

const ELECTION_TICKS = 5;
const EVENTS = 4_000;
const UNDER_WAY_MAX = 100;
/** Most deliveries pick among the oldest few; the rest are late by any measure. */
const OLDEST = 6;
const FIRST_SEED = Number(process.env['RAFT_SEED'] ?? 1);
const SEEDS = Number(process.env['RAFT_SEEDS'] ?? 150);

interface Faults {
  readonly lossPercent: number;
  readonly duplicatePercent: number;
  readonly reorders: boolean;
  readonly crashes: boolean;
  /** The end of a log is gone after a crash, also what was acknowledged; of one replica at a time. */
  readonly damages: boolean;
  readonly partitions: boolean;
  /** What is sent on a cut link arrives after the cut, as from the buffers of a reconnecting client. */
  readonly clogs: boolean;
  readonly slowDisks: boolean;
  /** Time passes at a fifth of its pace for whoever is cut off, as in a process that is paused. */
  readonly slowClocks: boolean;
  /** Not faults, but they make everything harder. */
  readonly changes: boolean;
  readonly transfers: boolean;
  readonly cuts: boolean;
}

class Simulation {
  readonly #random: SeededRandom;
  readonly #faults: Faults;
  readonly #replicas: SimulatedReplica[];
  readonly #invariants: Invariants;
  readonly #cut = new Set<string>();
  #slow: SimulatedReplica | undefined;
  #underWay: Message[] = [];
  #clogged: Message[] = [];
  /** What every storage holds, as each replica is told with time: whatever was cut off a log. */
  #stored = logIndex(0);
  #bodies = 0;
  #contexts = 0;

  /** `spares` are replicas that may be admitted; without any, the membership never changes. */
  constructor(seed: number, voterCount: number, spares: number) {
    const random = new SeededRandom(seed);
    this.#random = random;
    const often = (): boolean => random.below(3) > 0;
    this.#faults = {
      lossPercent: often() ? random.below(30) : 0,
      duplicatePercent: often() ? random.below(30) : 0,
      reorders: often(),
      crashes: often(),
      // With two voters nobody is elected without the one that is damaged: membership stays.
      damages: voterCount > 2 && spares === 0 && often(),
      partitions: often(),
      clogs: often(),
      slowDisks: often(),
      slowClocks: often(),
      changes: spares > 0,
      transfers: spares > 0 && often(),
      cuts: spares > 0 && often(),
    };
    const ids = nodeIds(voterCount + spares);
    const founders = configurationOf(nodeIds(voterCount));
    const bytes = { appendBytesMax: 40 + random.below(200), tailBytesMax: random.below(400) };
    this.#replicas = ids.map((id, i) => {
      const config = {
        ...testConfig(id),
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: 1 + random.below(2),
        inflightAppendsMax: 1 + random.below(4),
        random: new SeededRandom(seed * 31 + i),
        openingBody: (term: number) => Uint8Array.of(term),
        inflightBytesMax: bytes.appendBytesMax + random.below(300),
        uncommittedBytesMax: 400,
        ...bytes,
      };
      const configuration = i < voterCount ? founders : NO_CONFIGURATION;
      return new SimulatedReplica(config, configuration, {
        onReady: (of, ready) => this.#onReady(of, ready),
      });
    });
    this.#invariants = new Invariants(this.#replicas);
    for (const replica of this.#replicas) replica.start();
  }

  run(): Invariants {
    for (let i = 0; i < EVENTS; i++) {
      this.#event();
      this.#pump();
      this.#invariants.check();
    }
    this.#mustRecover();
    return this.#invariants;
  }

  #event(): void {
    const dice = this.#random.below(1000);
    const replica = this.#pick();
    if (replica.node === undefined && this.#random.below(8) === 0) return replica.start();
    if (dice < 150) this.#tick(replica);
    else if (dice < 700) this.#deliverOne();
    else if (dice < 860) this.#write(replica);
    else if (dice < 890) replica.completeLoad();
    else if (dice < 950) this.#propose(replica);
    else if (dice < 980) this.#read(replica);
    else if (dice < 985) this.#crash(replica);
    else if (dice < 990) this.#cutOrHeal();
    else if (dice < 993) this.#change(replica);
    else if (dice < 994) this.#transfer(replica);
    else if (dice < 995) this.#cutLog(replica);
    else for (const each of this.#replicas) this.#tick(each);
  }

  #tick(replica: SimulatedReplica): void {
    if (replica === this.#slow && this.#random.below(5) > 0) return;
    for (const { id } of this.#replicas) replica.node?.storageDurable(id, this.#stored);
    replica.node?.tick(0);
  }

  #write(replica: SimulatedReplica): void {
    if (!this.#faults.slowDisks) while (replica.completeWrite());
    else replica.completeWrite();
  }

  #propose(replica: SimulatedReplica): void {
    replica.node?.propose(Uint8Array.of(1, this.#bodies >> 8, this.#bodies++ & 255));
  }

  #read(replica: SimulatedReplica): void {
    const context = ++this.#contexts;
    if (replica.node?.requestRead(context) === 'pending') {
      this.#invariants.readRequested(replica, context);
    }
  }

  #change(replica: SimulatedReplica): void {
    if (!this.#faults.changes) return;
    const count = 1 + this.#random.below(2);
    const changes = Array.from({ length: count }, (): Change => {
      const kinds = ['add-voter', 'add-learner', 'remove', 'add-voter'] as const;
      const kind = kinds[this.#random.below(kinds.length)] as (typeof kinds)[number];
      return { kind, node: this.#pick().id };
    });
    replica.node?.changeMembers(changes);
  }

  #transfer(replica: SimulatedReplica): void {
    if (this.#faults.transfers) replica.node?.transferLeadership(this.#pick().id);
  }

  /** Up to what a storage of this replica could have applied. */
  #cutLog(replica: SimulatedReplica): void {
    if (!this.#faults.cuts || replica.node === undefined || replica.writes.length > 0) return;
    const { baseIndex, commitIndex, durableIndex } = replica.node.status();
    const index = Math.min(commitIndex, durableIndex) - this.#random.below(4);
    if (index <= baseIndex) return;
    if (index > this.#stored) this.#stored = logIndex(index);
    replica.cutTo(index);
  }

  #crash(replica: SimulatedReplica): void {
    if (!this.#faults.crashes || replica.node === undefined) return;
    replica.crash();
    this.#invariants.crashed(replica);
    const isBearable = this.#replicas.every(({ isUnderRepair }) => !isUnderRepair);
    if (!this.#faults.damages || !isBearable || this.#random.below(3) > 0) return;
    const kept = replica.disk.lastIndex - this.#random.below(6);
    if (kept >= replica.disk.base.position.index) replica.damage(kept);
    if (replica.isUnderRepair) this.#invariants.seen.damages++;
  }

  #cutOrHeal(): void {
    if (!this.#faults.partitions) return;
    if (this.#cut.size > 0 && this.#random.below(2) > 0) return this.#heal();
    const leader = this.#replicas.find((replica) => replica.node?.status().role === 'leader');
    const isLeader = leader !== undefined && this.#random.below(2) === 0;
    const victim = isLeader ? leader : this.#pick();
    this.#isolate(victim, this.#random.below(3));
    if (this.#faults.slowClocks) this.#slow = victim;
  }

  /** 0: both ways, 1: nothing comes in, 2: nothing goes out. */
  #isolate({ id }: SimulatedReplica, direction: number): void {
    for (const other of this.#replicas) {
      if (direction !== 2) this.#cut.add(`${other.id}->${id}`);
      if (direction !== 1) this.#cut.add(`${id}->${other.id}`);
    }
  }

  #deliverOne(): void {
    if (this.#underWay.length === 0) return;
    const among = this.#random.below(10) === 0 ? UNDER_WAY_MAX : OLDEST;
    const { length } = this.#underWay;
    const at = this.#faults.reorders ? this.#random.below(Math.min(among, length)) : 0;
    const { lossPercent, duplicatePercent } = this.#faults;
    const isDuplicated = this.#random.below(100) < duplicatePercent;
    const message = this.#underWay[at] as Message;
    if (!isDuplicated) this.#underWay.splice(at, 1);
    if (this.#random.below(100) < lossPercent) return;
    if (this.#cut.has(`${message.from}->${message.to}`)) {
      if (this.#faults.clogs && this.#clogged.length < UNDER_WAY_MAX) this.#clogged.push(message);
      return;
    }
    this.#replica(message.to).node?.step(message);
  }

  #heal(): void {
    this.#cut.clear();
    this.#slow = undefined;
    this.#underWay.unshift(...this.#clogged);
    this.#clogged = [];
  }

  #pump(): void {
    for (const replica of this.#replicas) replica.pump();
    if (this.#underWay.length > UNDER_WAY_MAX)
      this.#underWay = this.#underWay.slice(0, UNDER_WAY_MAX);
  }

  #onReady(replica: SimulatedReplica, ready: Ready): void {
    this.#invariants.onReady(replica, ready);
    this.#underWay.push(...ready.messages);
  }

  /** Faults end: a leader is elected, logs become equal, every read is answered. */
  #mustRecover(): void {
    this.#heal();
    for (const replica of this.#replicas) if (replica.node === undefined) replica.start();
    const leader = this.#mustElect();
    const read = this.#contexts + 1;
    this.#read(leader);
    must(leader.node?.propose(Uint8Array.of(9)).kind === 'appended', 'a proposal is refused');
    this.#settleTicks(4);
    for (const replica of this.#members(leader)) this.#mustEqual(replica, leader);
    must(this.#invariants.waitingReads === 0, `${this.#invariants.waitingReads} reads unanswered`);
    must(this.#contexts === read, 'a read was not asked for');
    if (this.#voters(leader).length > 2) this.#mustKeepLeader(leader);
  }

  #members(leader: SimulatedReplica): readonly SimulatedReplica[] {
    const configuration = leader.node?.status().configuration.configuration;
    const ids = configuration === undefined ? [] : replicasOf(configuration);
    return ids.map((id) => this.#replica(id));
  }

  #voters(leader: SimulatedReplica): readonly SimulatedReplica[] {
    const voters = leader.node?.status().configuration.configuration.voters ?? [];
    return voters.map((id) => this.#replica(id));
  }

  /** A replica that was cut off disturbs nobody on its return; a leader that is cut off resigns. */
  #mustKeepLeader(leader: SimulatedReplica): void {
    const term = leader.node?.status().term;
    const other = this.#voters(leader).find((replica) => replica !== leader) as SimulatedReplica;
    this.#isolate(other, 0);
    this.#settleTicks(6 * ELECTION_TICKS);
    this.#cut.clear();
    this.#settleTicks(3 * ELECTION_TICKS);
    must(leader.node?.status().role === 'leader', 'I23 a returning replica deposes the leader');
    must(leader.node?.status().term === term, 'I23 a returning replica raises the term');

    this.#isolate(leader, 0);
    this.#settleTicks(ELECTION_TICKS);
    must(leader.node?.status().role !== 'leader', 'I24 a leader without a majority goes on');
    this.#cut.clear();
    this.#mustElect();
  }

  /**
   * A leader that nobody deposes: whoever was about to resign for want of a majority has done so, a
   * change of membership under way is over, and nobody is being handed leadership.
   */
  #mustElect(): SimulatedReplica {
    this.#settleTicks(2 * ELECTION_TICKS + 1);
    for (let i = 0; i < 20 * ELECTION_TICKS; i++) {
      this.#settleTicks(1);
      const leader = this.#replicas.find((replica) => {
        const status = replica.node?.status();
        if (status?.role !== 'leader' || status.transferringTo !== undefined) return false;
        const { index, configuration } = status.configuration;
        if (index > status.commitIndex || configuration.outgoing.length > 0) return false;
        const members = this.#members(replica);
        return members.every((of) => (of.node?.status().term ?? 0) <= status.term);
      });
      if (leader !== undefined) return leader;
    }
    throw new Error('no leader after twenty election timeouts');
  }

  #mustEqual(replica: SimulatedReplica, leader: SimulatedReplica): void {
    const [a, b] = [replica.node?.status(), leader.node?.status()];
    must(a?.commitIndex === b?.commitIndex, `${replica.id} commits ${a?.commitIndex}`);
    must(a?.durableIndex === b?.lastIndex, `${replica.id} holds ${a?.durableIndex} durably`);
    const last = leader.log.last;
    must(replica.disk.last.chain === last.chain, `log of ${replica.id}`);
  }

  /** Ticks of everybody; after each, everything is written, sent and received until all is quiet. */
  #settleTicks(count: number): void {
    for (let i = 0; i < count; i++) {
      for (const replica of this.#replicas) replica.node?.tick(0);
      for (let rounds = 0; this.#settleOnce(); rounds++) {
        must(rounds < 10_000, 'the cluster does not come to rest');
      }
      this.#invariants.check();
    }
  }

  #settleOnce(): boolean {
    let moved = false;
    for (const replica of this.#replicas) {
      replica.pump();
      while (replica.completeWrite() || replica.completeLoad()) {
        moved = true;
        replica.pump();
      }
    }
    const batch = this.#underWay;
    this.#underWay = [];
    for (const message of batch) {
      moved = true;
      if (this.#cut.has(`${message.from}->${message.to}`)) continue;
      const target = this.#replica(message.to);
      target.node?.step(message);
      target.pump();
    }
    return moved;
  }

  #pick(): SimulatedReplica {
    return this.#replicas[this.#random.below(this.#replicas.length)] as SimulatedReplica;
  }

  #replica(id: NodeId): SimulatedReplica {
    return this.#replicas.find((replica) => replica.id === id) as SimulatedReplica;
  }
}

type Seen = Invariants['seen'];

/** What cannot happen in a cluster whose membership never changes. */
const ONLY_WITH_CHANGES = ['configurations', 'installs', 'transfers'];
/** What is not done to a cluster whose membership changes. */
const ONLY_WITHOUT_CHANGES = ['damages', 'repairs'];

describe.each([
  [1, 0],
  [3, 0],
  [5, 0],
  [3, 3],
])('%i voters and %i spares under random faults', (voters, spares) => {
  const count = voters === 1 ? Math.ceil(SEEDS / 4) : SEEDS;

  test(`keep every invariant and recover (${count} seeds from ${FIRST_SEED})`, () => {
    const total: Partial<Record<keyof Seen, number>> = {};
    for (let seed = FIRST_SEED; seed < FIRST_SEED + count; seed++) {
      try {
        const { seen } = new Simulation(seed, voters, spares).run();
        for (const what of Object.keys(seen) as (keyof Seen)[]) {
          total[what] = (total[what] ?? 0) + seen[what];
        }
      } catch (error) {
        const where = `RAFT_SEED=${seed}, ${voters} voters, ${spares} spares`;
        throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
      }
    }
    if (count >= 30) mustHaveHappened(total, voters, spares);
  });
});

/** Anti-vacuity: over many seeds, everything that is checked also occurred. */
function mustHaveHappened(
  total: Readonly<Record<string, number>>,
  voters: number,
  spares: number,
): void {
  const possible = Object.keys(total).filter(
    (what) => !(spares > 0 ? ONLY_WITHOUT_CHANGES : ONLY_WITH_CHANGES).includes(what),
  );
  const wanted = voters === 1 ? ['elections', 'commits', 'reads'] : possible;
  for (const what of wanted)
    expect({ what, happened: (total[what] ?? 0) > 0 }).toEqual({ what, happened: true });
}
