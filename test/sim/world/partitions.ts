/** Cuts machines off from each other for a while: one, two sides, one way, one link, or one lane. */
import type { Dice } from './dice.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimCluster, SimNode } from './sim-cluster.ts';
import type { Lane } from './sim-network.ts';

const BOTH: readonly Lane[] = ['data', 'control'];
const LASTS_US_MAX = 2_500_000;

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

  /** Whoever leads, or believes so: faults at the leader show the most. */
  get leader(): SimNode | undefined {
    return this.#cluster.nodes.find(({ sequencer }) => sequencer?.status().role === 'leader');
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
    this.#scheduler.schedule(dice.below(LASTS_US_MAX), undefined, () => {
      if (number === this.#count) network.unblockAll();
    });
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
