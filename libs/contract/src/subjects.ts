/**
 * The subject grammar: `kv.<cluster>.<group>.…`, so that clusters and groups can share a NATS.
 *
 *   live, mark, beacon                      published to whoever listens
 *   consensus.<node>.{propose,read-index,pull,raft,vote,hello,status,members}
 *   storage.<node>.{read,outcomes,snapshot,hello,status}
 *   gateway.<name>.{outcomes,hello}
 *   log.<epoch>                             the committed log in JetStream
 *   kv.<cluster>.inbox.<role>.<name>.…      where the answers to a process's requests come
 *
 * Every token is `[a-z0-9-]+`: no wildcard, space or dot can come in through a name.
 */
import { assert, type NodeId } from '@kvstore/std';
import { SenderRole } from './frame.ts';

const TOKEN = /^[a-z0-9][a-z0-9-]{0,62}$/;

export function isSubjectToken(text: string): boolean {
  return TOKEN.test(text);
}

export const ConsensusOperation = {
  propose: 'propose',
  readIndex: 'read-index',
  pull: 'pull',
  /** Appends and their answers, on the data lane. */
  raft: 'raft',
  /** Votes and heartbeats, on the control lane. */
  vote: 'vote',
} as const;
export type ConsensusOperation = (typeof ConsensusOperation)[keyof typeof ConsensusOperation];

export const StorageOperation = {
  read: 'read',
  outcomes: 'outcomes',
  /** Of another storage, which wants a copy of what this one holds. */
  snapshot: 'snapshot',
} as const;
export type StorageOperation = (typeof StorageOperation)[keyof typeof StorageOperation];

/** What the control plane can ask of a process. */
export const ControlOperation = {
  hello: 'hello',
  status: 'status',
  /** Of a consensus: who takes part, and changes of that. */
  members: 'members',
} as const;
export type ControlOperation = (typeof ControlOperation)[keyof typeof ControlOperation];

/** The subjects of one group of one cluster. */
export class Subjects {
  readonly live: string;
  readonly mark: string;
  readonly beacon: string;
  readonly #cluster: string;
  readonly #prefix: string;

  constructor(cluster: string, group: string) {
    assert(isSubjectToken(cluster), 'cluster name must match [a-z0-9][a-z0-9-]{0,62}');
    assert(isSubjectToken(group), 'group must match [a-z0-9][a-z0-9-]{0,62}');
    this.#cluster = cluster;
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

  control(role: SenderRole, name: string, operation: ControlOperation): string {
    assert(isSubjectToken(name), 'name must match [a-z0-9][a-z0-9-]{0,62}');
    return `${this.#prefix}.${role}.${name}.${operation}`;
  }

  /** Of the stream that holds the committed log since this epoch began. */
  log(epoch: number): string {
    return `${this.#prefix}.log.${epoch}`;
  }

  /** Prefix of the subjects at which one process receives answers. */
  inbox(role: SenderRole, name: string): string {
    assert(isSubjectToken(name), 'name must match [a-z0-9][a-z0-9-]{0,62}');
    return inbox(this.#cluster, role, name);
  }
}

function inbox(cluster: string, role: string, name: string): string {
  return `kv.${cluster}.inbox.${role}.${name}`;
}

/** Name of that stream; stream names allow no dots. */
export function logStreamName(cluster: string, group: string, epoch: number): string {
  return `KV_LOG_${cluster}_${group}_${epoch}`;
}

export interface BusIdentity {
  readonly cluster: string;
  readonly group: string;
  readonly role: SenderRole;
  readonly name: string;
}

/** What one process may say and hear on NATS: allow-lists of subjects, nothing else is allowed. */
export function busPermissions({ cluster, group, role, name }: BusIdentity): {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
} {
  const prefix = `kv.${cluster}.${group}`;
  const answers = (...roles: readonly SenderRole[]): string[] =>
    roles.map((to) => `kv.${cluster}.inbox.${to}.>`);
  const own = `${prefix}.${role}.${name}`;
  const heard = [`${own}.*`, `${inbox(cluster, role, name)}.>`];
  const hello = `${own}.hello`;
  switch (role) {
    case SenderRole.consensus:
      return {
        publish: [
          `${prefix}.live`,
          `${prefix}.mark`,
          ...['raft', 'vote', 'hello'].map((each) => `${prefix}.consensus.*.${each}`),
          `${prefix}.log.*`,
          ...answers('consensus', 'storage', 'gateway'),
          '$JS.API.INFO',
          ...['CREATE', 'INFO', 'MSG.GET'].map((each) => `$JS.API.STREAM.${each}.*`),
        ],
        subscribe: [...heard, `${prefix}.mark`, `${prefix}.beacon`],
      };
    case SenderRole.storage:
      return {
        publish: [
          `${prefix}.beacon`,
          hello,
          `${prefix}.consensus.*.pull`,
          `${prefix}.storage.*.snapshot`,
          `${prefix}.gateway.*.outcomes`,
          ...answers('storage', 'gateway'),
          ...['INFO', 'MSG.GET'].map((each) => `$JS.API.STREAM.${each}.*`),
        ],
        subscribe: [...heard, `${prefix}.live`, `${prefix}.mark`, `${prefix}.beacon`],
      };
    case SenderRole.gateway:
      return {
        publish: [
          hello,
          ...['propose', 'read-index', 'status', 'members'].map(
            (each) => `${prefix}.consensus.*.${each}`,
          ),
          ...['read', 'outcomes', 'status'].map((each) => `${prefix}.storage.*.${each}`),
          ...answers('gateway'),
        ],
        subscribe: [...heard, `${prefix}.mark`, `${prefix}.beacon`],
      };
  }
}
