/**
 * How often each class of fault was really injected: a class that never happens tests nothing, and a
 * long run in which one has no hits fails.
 */
export const FaultClass = {
  messageLost: 'message lost',
  messageDuplicated: 'message duplicated',
  lateDuplicate: 'late duplicate, up to seconds',
  messageReordered: 'message reordered',
  linkClogged: 'link clogged',
  partitionOne: 'partition: one machine cut off',
  partitionSplit: 'partition: two sides',
  partitionOneWay: 'partition: one way',
  partitionLink: 'partition: one link',
  partitionLane: 'partition: one lane only',
  transfer: 'leadership transferred',
  memberAdded: 'member added',
  memberPromoted: 'learner promoted by hand',
  memberRemoved: 'member removed',
  priorityChanged: 'priority of a member changed',
  leaderDeposed: 'leader cut off with its clients',
  partitionDrop: 'message dropped by a partition',
  earlierIncarnation: 'message to a later incarnation',
  connectionLost: 'connection lost, dialled again',
  kill: 'process killed',
  crashInRecovery: 'process killed in its recovery',
  powerLoss: 'power loss of a node',
  powerLossAll: 'power loss of all nodes',
  unsyncedLost: 'unsynced writes lost',
  unsyncedTorn: 'unsynced writes torn',
  unsyncedMixed: 'unsynced writes kept by chance',
  pause: 'process paused',
  syncSlow: 'sync slow',
  diskStall: 'disk stalled',
  syncError: 'sync failed',
  diskFull: 'disk full',
  diskFullRefusal: 'write refused for a full disk',
  bitFlip: 'bits flipped in a file',
  flushSlow: 'flush of a storage slow',
  flushError: 'flush of a storage failed',
  clockRate: 'clock of another rate',
  clockJump: 'wall clock jumped',
  logCut: 'log cut at its beginning',
  baseInstalled: 'log replaced by a base',
  snapshotInstalled: 'storage rebuilt by a snapshot',
  gatewayKilled: 'gateway killed',
} as const;
export type FaultClass = (typeof FaultClass)[keyof typeof FaultClass];

export class FaultAtlas {
  readonly #counts = new Map<FaultClass, number>(
    Object.values(FaultClass).map((fault) => [fault, 0]),
  );

  count(fault: FaultClass): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + 1);
  }

  get counts(): ReadonlyMap<FaultClass, number> {
    return this.#counts;
  }
}
