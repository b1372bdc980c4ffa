/**
 * The subject grammar: `kv.<cluster>.<group>.…`, so that clusters and groups can share a NATS.
 *
 *   live, mark, beacon                      published to whoever listens
 *   consensus.<node>.{propose,read-index,pull,raft,status}
 *   storage.<node>.{read,outcomes,status}
 *   gateway.<name>.outcomes
 *
 * Every token is `[a-z0-9-]+`: no wildcard, space or dot can come in through a name.
 */
import { assert, type NodeId } from '@kvstore/std';

const TOKEN = /^[a-z0-9][a-z0-9-]{0,62}$/;

export function isSubjectToken(text: string): boolean {
  return TOKEN.test(text);
}

export const ConsensusOperation = {
  propose: 'propose',
  readIndex: 'read-index',
  pull: 'pull',
  raft: 'raft',
  status: 'status',
} as const;
export type ConsensusOperation = (typeof ConsensusOperation)[keyof typeof ConsensusOperation];

export const StorageOperation = { read: 'read', outcomes: 'outcomes', status: 'status' } as const;
export type StorageOperation = (typeof StorageOperation)[keyof typeof StorageOperation];

/** The subjects of one group of one cluster. */
export class Subjects {
  readonly live: string;
  readonly mark: string;
  readonly beacon: string;
  readonly #prefix: string;

  constructor(cluster: string, group: string) {
    assert(isSubjectToken(cluster), 'cluster name must match [a-z0-9][a-z0-9-]{0,62}');
    assert(isSubjectToken(group), 'group must match [a-z0-9][a-z0-9-]{0,62}');
    this.#prefix = `kv.${cluster}.${group}`;
    this.live = `${this.#prefix}.live`;
    this.mark = `${this.#prefix}.mark`;
    this.beacon = `${this.#prefix}.beacon`;
  }

  consensus(node: NodeId, operation: ConsensusOperation): string {
    return `${this.#prefix}.consensus.${node}.${operation}`;
  }

  storage(node: NodeId, operation: StorageOperation): string {
    return `${this.#prefix}.storage.${node}.${operation}`;
  }

  /** Where a storage sends the outcomes of this gateway's batches. */
  gatewayOutcomes(gateway: string): string {
    assert(isSubjectToken(gateway), 'gateway name must match [a-z0-9][a-z0-9-]{0,62}');
    return `${this.#prefix}.gateway.${gateway}.outcomes`;
  }
}
