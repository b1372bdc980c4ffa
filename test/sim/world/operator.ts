/**
 * Whoever runs the cluster: asks through some gateway for members to come and go, to vote, to be preferred,
 * or to lead, whatever else goes wrong meanwhile. Requests say what shall be so; most of them are refused.
 */
import type { MemberRequest } from '@kvstore/contract';
import { type Configuration, NO_CONFIGURATION, replicasOf } from '@kvstore/raft';
import type { NodeId } from '@kvstore/std';
import type { Dice } from './dice.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimCluster } from './sim-cluster.ts';
import type { SimProcess } from './sim-process.ts';

/** Below, nobody is removed. */
const MEMBERS_MIN = 3;
const TIMEOUT_MS = 1_500;
/** That much time by a clock that is 10 % slow, and what it takes to hand leadership over. */
const OVER_AFTER_US = 2_100_000;

const DONE: Readonly<Record<MemberRequest['kind'], FaultClass | undefined>> = {
  add: FaultClass.memberAdded,
  remove: FaultClass.memberRemoved,
  promote: FaultClass.memberPromoted,
  priority: FaultClass.priorityChanged,
  transfer: FaultClass.transfer,
  list: undefined,
};

export class Operator {
  readonly #scheduler: Scheduler;
  readonly #cluster: SimCluster;
  readonly #atlas: FaultAtlas;
  readonly #tell: (what: string) => void;
  #overAtUs = 0;
  readonly #open = new Set<{ readonly process: SimProcess }>();

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

  /** When the last request has had its effects, if any, also when its gateway is dead. */
  get overAtUs(): number {
    return this.#overAtUs;
  }

  /** Requests that are still to be answered. */
  get waiting(): number {
    return [...this.#open].filter(({ process }) => process.isAlive).length;
  }

  change(dice: Dice, leader: NodeId): void {
    const members = replicasOf(this.#configurationOf(leader));
    const others = this.#cluster.nodeIds.filter((id) => !members.includes(id));
    const { learners, joining } = this.#configurationOf(leader);
    const candidates = [...learners, ...joining];
    const member = dice.pick(members);
    const isJoining = candidates.length > 0 && dice.chance(0.6);
    const kind = isJoining ? 'promote' : dice.pick(['add', 'add', 'remove', 'priority'] as const);
    if (kind === 'add') {
      if (others.length > 0) this.#ask(dice, { kind, node: dice.pick(others) });
    } else if (kind === 'priority') {
      this.#ask(dice, { kind, node: member, priority: dice.below(3) });
    } else if (kind === 'promote') {
      this.#ask(dice, { kind, node: dice.pick(candidates) });
    } else if (members.length >= MEMBERS_MIN) {
      this.#ask(dice, { kind, node: member });
    }
  }

  transfer(dice: Dice, leader: NodeId): void {
    this.#ask(dice, {
      kind: 'transfer',
      node: dice.pick(replicasOf(this.#configurationOf(leader))),
    });
  }

  #configurationOf(leader: NodeId): Configuration {
    return this.#cluster.nodeOf(leader).sequencer?.configuration ?? NO_CONFIGURATION;
  }

  /** It dies with its gateway; then nobody hears what became of it. */
  #ask(dice: Dice, request: MemberRequest): void {
    const { process, client } = dice.pick(this.#cluster.gateways);
    if (process?.isAlive !== true || client === undefined) return;
    const what = `${request.kind} ${'node' in request ? request.node : ''}`;
    this.#tell(`asked of ${process.machine}: ${what}`);
    const open = { process };
    this.#open.add(open);
    this.#overAtUs = this.#scheduler.nowUs + OVER_AFTER_US;
    client.members(request, TIMEOUT_MS).then(
      (reply) => {
        this.#open.delete(open);
        const fault = DONE[request.kind];
        if (reply.kind === 'members' && fault !== undefined) this.#atlas.count(fault);
        const outcome = reply.kind === 'failure' ? `${reply.code} ${reply.detail}` : 'it is so';
        this.#tell(`${what}: ${outcome}`);
      },
      (error: unknown) => this.#cluster.fail(error),
    );
  }
}
