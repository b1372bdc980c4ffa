/** What a node's two services say of themselves over the control plane, measured by them. */
export interface ConsensusStatus {
  readonly node: string;
  /** Undefined until the cluster is founded. */
  readonly clusterId: string | undefined;
  readonly term: number;
  readonly role: string;
  readonly leader: string | undefined;
  readonly commitIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly logBytes: number;
  readonly logFirstIndex: number;
  /** Set while the log cannot be extended for want of disk space. */
  readonly spaceError: string | undefined;
  readonly progress: readonly {
    readonly node: string;
    /** False for a learner. */
    readonly votes: boolean;
    readonly matchIndex: number;
    readonly healthy: boolean;
  }[];
}

export interface StorageStatus {
  readonly node: string;
  readonly appliedIndex: number;
  /** Chain of the log up to it: equal on every storage at the same index. */
  readonly chain: number;
  readonly durableIndex: number;
  readonly revision: number;
  readonly keys: number;
  /** Keys and values of live keys. */
  readonly bytes: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly memtableBytes: number;
  readonly healthy: boolean;
  /** Set while flushing fails and is retried. */
  readonly flushError: string | undefined;
}
