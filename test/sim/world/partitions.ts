/** Cuts machines off from each other for a while: one, two sides, one way, one link, or one lane. */
import type { NodeId } from '@kvstore/std';
import type { Dice } from './dice.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimCluster, SimNode } from './sim-cluster.ts';
import type { Lane } from './sim-network.ts';

const BOTH: readonly Lane[] = ['data', 'control'];
const LASTS_US_MAX = 2_500_000;
const SUCCESSION_LOOK_US = 1_000;
const SUCCESSION_LOOKS_MAX = 400;
const SUCCESSION_MS = 400;

export class Partitions {
  readonly #scheduler: Scheduler;
  readonly #cluster: SimCluster;
  readonly #atlas: FaultAtlas;
  readonly #tell: (what: string) => void;
  #count = 0;

  constructor(
    scheduler: Scheduler,
    cluster: SimCluster,
    atlas: FaultAtlas,
    tell: (what: string) => void,
  ) {
    this.#scheduler = scheduler;
    this.#cluster = cluster;
    this.#atlas = atlas;
    this.#tell = tell;
  }

  /** Whoever leads, or believes so, in the newest term: faults at the leader show the most. */
  get leader(): SimNode | undefined {
    let newest: SimNode | undefined;
    let newestTerm = 0;
    for (const node of this.#cluster.nodes) {
      const status = node.sequencer?.status();
      if (status?.role !== 'leader' || status.term <= newestTerm) continue;
      [newest, newestTerm] = [node, status.term];
    }
    return newest;
  }

  /**
   * The leader keeps clients, and nothing else, while the others elect another one. Either all of them, and it
   * takes writes that come to nothing, at the end of a log longer than the new leader's; or some, while it is
   * paused, and what it hears first when it goes on was asked when another one led. It may have named its
   * successor itself, who then leads at once. Later, mostly, the new leader is cut off in turn.
   */
  depose(dice: Dice): void {
    const old = this.leader;
    const { nodeIds } = this.#cluster;
    if (old === undefined || nodeIds.length < 2) return;
    const number = ++this.#count;
    this.#cluster.network.unblockAll();
    if (dice.chance(0.5)) {
      this.#strand(number, old, this.#clients(dice, 1), dice);
      return;
    }
    const clients = this.#clients(dice, 0.5);
    const pausedUs = dice.between(50_000, 800_000);
    const strand = (waitsUs: number): void => {
      this.#pause(old, waitsUs + pausedUs);
      this.#strand(number, old, clients, dice);
      if (dice.chance(0.7)) this.#deafen(number, old, clients, dice.below(waitsUs + 400_000));
    };
    if (dice.chance(0.3)) {
      strand(400_000);
      return;
    }
    const to = dice.pick(nodeIds.filter((id) => id !== old.id));
    this.#handOver(old, to);
    // Why its votes only: until it is asked to take over, the old leader has to hear what it holds.
    this.#cluster.network.block(to, old.id, ['control']);
    this.#whenSucceeded(number, old, to, () => strand(0));
  }

  /** At least one, and about this share of the gateways. */
  #clients(dice: Dice, share: number): readonly string[] {
    const { gateways } = this.#cluster;
    const first = dice.pick(gateways);
    return gateways.filter((each) => each === first || dice.chance(share)).map(({ name }) => name);
  }

  /** When `to` stands for election as the leader has asked it to; not when that takes too long. */
  #whenSucceeded(number: number, old: SimNode, to: NodeId, then: () => void, looks = 0): void {
    if (number !== this.#count) return;
    const successor = this.#cluster.nodes.find(({ id }) => id === to);
    const term = successor?.sequencer?.status().term ?? 0;
    if (term > (old.sequencer?.status().term ?? 0) || looks === SUCCESSION_LOOKS_MAX) {
      then();
      return;
    }
    this.#scheduler.schedule(SUCCESSION_LOOK_US, undefined, () => {
      this.#whenSucceeded(number, old, to, then, looks + 1);
    });
  }

  #strand(number: number, old: SimNode, clients: readonly string[], dice: Dice): void {
    this.#cluster.network.unblockAll();
    this.#isolate([old.id, ...clients], FaultClass.leaderDeposed);
    this.#scheduler.schedule(dice.between(400_000, 1_300_000), undefined, () => {
      if (number !== this.#count) return;
      this.#cluster.network.unblockAll();
      const next = this.leader;
      if (dice.chance(0.3) || next === undefined || next === old) return;
      this.#isolate([next.id], FaultClass.partitionOne);
      this.#endLater(number, dice.below(LASTS_US_MAX));
    });
  }

  /** Ends what goes on, and what would still begin. */
  end(): void {
    this.#count += 1;
    this.#cluster.network.unblockAll();
  }

  #pause({ consensus }: SimNode, forUs: number): void {
    if (consensus === undefined) return;
    this.#atlas.count(FaultClass.pause);
    consensus.pauseUntil(this.#scheduler.nowUs + forUs);
    this.#tell(`pause ${consensus.address} for ${Math.floor(forUs / 1000)} ms`);
  }

  #handOver(from: SimNode, to: NodeId): void {
    const request = { kind: 'transfer', node: to } as const;
    this.#tell(`leadership is handed from ${from.id} to ${to}`);
    this.#scheduler.schedule(0, from.consensus, () => {
      if (from.consensus === undefined) return;
      from.consensus.membersAskedMs = from.consensus.clock.monotonicMs();
      const asked = from.sequencer?.answerAboutMembers({ request, waitMs: SUCCESSION_MS });
      asked?.catch((error: unknown) => this.#cluster.fail(error));
    });
  }

  /** Its clients reach it again only later: what it hears first is of a time when others led. */
  #deafen(number: number, { id }: SimNode, clients: readonly string[], forUs: number): void {
    const { network } = this.#cluster;
    for (const client of clients) network.block(client, id, BOTH);
    this.#scheduler.schedule(forUs, undefined, () => {
      if (number === this.#count) for (const client of clients) network.unblock(client, id);
    });
  }

  #isolate(kept: readonly string[], fault: FaultClass): void {
    const rest = this.#cluster.machines.filter((machine) => !kept.includes(machine));
    this.#cut(fault, kept, rest, BOTH, true);
  }

  #endLater(number: number, afterUs: number): void {
    this.#scheduler.schedule(afterUs, undefined, () => {
      if (number === this.#count) this.#cluster.network.unblockAll();
    });
  }

  /** The new partition takes the place of one that still lasts. */
  begin(dice: Dice): void {
    const { machines, network, nodeIds } = this.#cluster;
    network.unblockAll();
    const number = ++this.#count;
    const leader = this.leader?.id;
    const one = leader !== undefined && dice.chance(0.4) ? leader : dice.pick(machines);
    switch (dice.below(7)) {
      case 0:
        this.#cut(FaultClass.partitionOne, [one], others(machines, one), BOTH, true);
        break;
      case 1: {
        const side = machines.filter(() => dice.chance(0.5));
        const rest = machines.filter((machine) => !side.includes(machine));
        this.#cut(FaultClass.partitionSplit, side, rest, BOTH, true);
        break;
      }
      case 2: {
        const [from, to] = [[one], others(machines, one)];
        const outwards = dice.chance(0.5);
        const [a, b] = outwards ? [from, to] : [to, from];
        this.#cut(FaultClass.partitionOneWay, a, b, BOTH, false);
        break;
      }
      case 3: {
        const node = dice.pick(nodeIds);
        const other = dice.pick(nodeIds);
        this.#cut(FaultClass.partitionLink, [node], [other], BOTH, dice.chance(0.5));
        break;
      }
      case 4: {
        const lane = dice.pick(BOTH);
        this.#cut(FaultClass.partitionLane, [one], others(machines, one), [lane], true);
        break;
      }
      case 5: {
        // A leader that still has clients, and a majority that elects another one.
        const kept = machines.filter(
          (machine) =>
            machine === one || (!nodeIds.some((id) => id === machine) && dice.chance(0.5)),
        );
        const rest = machines.filter((machine) => !kept.includes(machine));
        this.#cut(FaultClass.partitionSplit, kept, rest, BOTH, true);
        break;
      }
      default: {
        // Why the node itself: its consensus and its storage meet on the bus only.
        this.#cut(FaultClass.partitionOne, [one], machines, BOTH, true);
      }
    }
    this.#endLater(number, dice.below(LASTS_US_MAX));
  }

  #cut(
    fault: FaultClass,
    from: readonly string[],
    to: readonly string[],
    lanes: readonly Lane[],
    bothWays: boolean,
  ): void {
    this.#atlas.count(fault);
    this.#tell(`${fault}: ${from.join(' ')} ${bothWays ? '|' : '>'} ${to.join(' ')}`);
    for (const a of from) {
      for (const b of to) {
        this.#cluster.network.block(a, b, lanes);
        if (bothWays) this.#cluster.network.block(b, a, lanes);
      }
    }
  }
}

function others(machines: readonly string[], one: string): readonly string[] {
  return machines.filter((machine) => machine !== one);
}
