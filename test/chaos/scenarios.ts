/**
 * The faults: which processes are hit, how, and what must hold besides that nothing is lost, doubled
 * or out of order. Bounds are of a machine with nothing else to do; the short run is more patient.
 */
import type { ClusterMember, ClusterProcess } from '../support/cluster-process.ts';
import type { Fault } from './faults.ts';

export interface Bounds {
  readonly gapMsP50?: number;
  /** Between two acknowledged writes of anybody. */
  readonly gapMsMax: number;
  /** Of a single write. */
  readonly stallMsMax?: number;
  /** Requests that were refused, or whose outcome stayed unknown, of all trials. */
  readonly failedMax?: number;
}

export interface Scenario {
  readonly name: string;
  readonly fault: Fault;
  readonly trials: number;
  readonly bounds: Bounds;
  /** Nobody is elected meanwhile: the term is the same afterwards. */
  readonly keepsTerm?: boolean;
  /** One when it is not said. */
  readonly natsServers?: number;
  /** Who is hit in this trial: in turn, where there are several of a kind. */
  victims(cluster: ClusterProcess, trial: number): Promise<readonly string[]>;
}

type Victims = Scenario['victims'];

const APPS = ['consensus', 'storage', 'gateway', 'nats'] as const;

const leader: Victims = async (cluster) => [await cluster.leader()];

const follower: Victims = async (cluster, trial) => {
  const leads = await cluster.leader();
  return inTurn(
    cluster.names('consensus').filter((name) => name !== leads),
    trial,
  );
};

const each =
  (app: ClusterMember['app']): Victims =>
  (cluster, trial) =>
    Promise.resolve(inTurn(cluster.names(app), trial));

const everyMember: Victims = (cluster) => Promise.resolve(cluster.names('consensus', 'storage'));

const everybody: Victims = (cluster) => Promise.resolve(cluster.names(...APPS));

function inTurn(names: readonly string[], trial: number): readonly string[] {
  return [names[trial % names.length] as string];
}

const killed = (restart: 'at-once' | 'when-served'): Fault => ({ kind: 'kill', restart });

const stopped = (forMs: number): Fault => ({ kind: 'stop', forMs });

/** What nobody may notice. */
const UNNOTICED: Bounds = { gapMsMax: 300, stallMsMax: 300 };
/** From the signal to the first acknowledged write, everybody's start included. */
const RESTART_MS_MAX = 5_000;
const FAILOVER_MS_MAX = 3_000;

const kills: readonly Scenario[] = [
  {
    name: 'kill-leader',
    fault: killed('when-served'),
    trials: 50,
    bounds: { gapMsP50: 1_000, gapMsMax: FAILOVER_MS_MAX },
    victims: leader,
  },
  {
    name: 'kill-follower',
    fault: killed('when-served'),
    trials: 6,
    bounds: UNNOTICED,
    victims: follower,
  },
  {
    name: 'kill-storage',
    fault: killed('when-served'),
    trials: 9,
    bounds: UNNOTICED,
    victims: each('storage'),
  },
  {
    name: 'kill-gateway',
    fault: killed('at-once'),
    trials: 3,
    bounds: { gapMsMax: RESTART_MS_MAX },
    victims: each('gateway'),
  },
  {
    name: 'kill-nats',
    fault: killed('at-once'),
    trials: 6,
    bounds: { gapMsMax: RESTART_MS_MAX },
    victims: each('nats'),
  },
  {
    name: 'kill-members',
    fault: killed('at-once'),
    trials: 6,
    bounds: { gapMsMax: 2 * RESTART_MS_MAX },
    victims: everyMember,
  },
  {
    name: 'kill-everything',
    fault: killed('at-once'),
    trials: 3,
    bounds: { gapMsMax: 2 * RESTART_MS_MAX },
    victims: everybody,
  },
  {
    name: 'kill-leaders',
    fault: { kind: 'kill-leaders', times: 4 },
    trials: 6,
    bounds: { gapMsMax: RESTART_MS_MAX },
    victims: everyMember,
  },
];

const STOPS: readonly (readonly [string, number, Victims, Bounds])[] = [
  ['leader', 300, leader, { gapMsMax: FAILOVER_MS_MAX }],
  ['leader', 1_000, leader, { gapMsMax: FAILOVER_MS_MAX }],
  ['leader', 5_000, leader, { gapMsMax: FAILOVER_MS_MAX }],
  ...[1_000, 5_000].flatMap((forMs): (readonly [string, number, Victims, Bounds])[] => [
    ['follower', forMs, follower, UNNOTICED],
    ['storage', forMs, each('storage'), UNNOTICED],
    ['gateway', forMs, each('gateway'), { gapMsMax: forMs + 1_000 }],
    ['nats', forMs, each('nats'), { gapMsMax: forMs + FAILOVER_MS_MAX }],
  ]),
];

const stops: readonly Scenario[] = STOPS.map(([who, forMs, victims, bounds]) => ({
  name: `stop-${who}-${forMs}ms`,
  fault: stopped(forMs),
  trials: who === 'leader' || who === 'storage' ? 6 : 3,
  bounds,
  victims,
}));

/** Several nats-servers: who hangs on the one that is hit moves to another. */
const severalNats: readonly Scenario[] = [killed('when-served'), stopped(5_000)].map((fault) => ({
  name: `${fault.kind}-nats-of-3`,
  fault,
  trials: 6,
  bounds: { gapMsMax: FAILOVER_MS_MAX },
  natsServers: 3,
  victims: each('nats'),
}));

/** Of both processes of a member. */
const wholeFollower: Victims = async (cluster, trial) => {
  const [consensus] = await follower(cluster, trial);
  return [consensus as string, (consensus as string).replace('consensus', 'storage')];
};

/** What operators do, and a member that comes back from being alone. */
const planned: readonly Scenario[] = [
  {
    name: 'transfer',
    fault: { kind: 'transfer' },
    trials: 24,
    bounds: { gapMsMax: 100, failedMax: 0 },
    victims: follower,
  },
  {
    name: 'membership',
    fault: { kind: 'membership', leadersKilled: false },
    trials: 4,
    bounds: { gapMsMax: 1_000, failedMax: 0 },
    victims: follower,
  },
  {
    name: 'members-kill-leaders',
    fault: { kind: 'membership', leadersKilled: true },
    trials: 4,
    bounds: { gapMsMax: 2 * RESTART_MS_MAX },
    victims: follower,
  },
  {
    name: 'replace',
    fault: { kind: 'replace' },
    trials: 4,
    bounds: { gapMsMax: 1_000, failedMax: 0 },
    victims: wholeFollower,
  },
  {
    name: 'isolated-follower',
    fault: stopped(2_500),
    trials: 6,
    bounds: UNNOTICED,
    keepsTerm: true,
    victims: wholeFollower,
  },
];

const storm: Scenario = {
  name: 'storm',
  fault: { kind: 'storm', forMs: 10_000 },
  trials: 10,
  bounds: { gapMsMax: 3 * RESTART_MS_MAX },
  victims: everybody,
};

export const scenarios: readonly Scenario[] = [
  ...kills,
  ...stops,
  ...planned,
  ...severalNats,
  storm,
];
