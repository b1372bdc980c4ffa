/**
 * The cluster's status from what its nodes say of themselves: measured, never assumed. What a node
 * did not answer is null.
 */
import type { NodeStatus } from '@kvstore/cluster-client';

export interface GatewayIdentity {
  readonly cluster: string;
  readonly group: string;
  readonly gateway: string;
  readonly version: string;
  /** The NATS server of this gateway, as it stands now; null without one. */
  readonly nats: () => NatsStatus | null;
}

export interface NatsStatus {
  readonly version: string;
  readonly jetstream: boolean;
  readonly connected: boolean;
  /** What this server is too old for, by name. */
  readonly features_off: readonly string[];
}

export interface MemberStatus {
  readonly node: string;
  readonly role: 'voter' | 'learner';
  readonly raft_state: string | null;
  readonly match_index: number | null;
  readonly healthy: boolean;
  readonly log: {
    readonly first_index: number;
    readonly last_index: number;
    readonly bytes: number;
  } | null;
  readonly storage: {
    readonly applied_index: number;
    readonly chain: number;
    readonly durable_index: number;
    readonly healthy: boolean;
    readonly keys: number;
    readonly bytes: number;
  } | null;
}

export interface GroupStatus {
  readonly group: string;
  readonly term: number | null;
  readonly leader: string | null;
  readonly commit_index: number | null;
  readonly members: readonly MemberStatus[];
}

export interface ClusterStatus {
  /** Null while no consensus answers, or none belongs to a founded cluster. */
  readonly cluster_id: string | null;
  readonly cluster: string;
  readonly revision: number | null;
  readonly groups: readonly GroupStatus[];
  readonly gateways: readonly { readonly name: string; readonly healthy: boolean }[];
  readonly nats: Omit<NatsStatus, 'features_off'> | null;
  readonly features_off: readonly string[];
  readonly version: string;
}

type Consensus = NonNullable<NodeStatus['consensus']>;

export function clusterStatus(
  identity: GatewayIdentity,
  nodes: readonly NodeStatus[],
  notReady: string | undefined,
): ClusterStatus {
  const nats = identity.nats();
  return {
    cluster_id: clusterId(nodes) ?? null,
    cluster: identity.cluster,
    revision: highest(nodes.map((node) => node.storage?.revision)),
    groups: [groupStatus(identity.group, nodes)],
    gateways: [{ name: identity.gateway, healthy: notReady === undefined }],
    nats: nats && { version: nats.version, jetstream: nats.jetstream, connected: nats.connected },
    features_off: nats?.features_off ?? ['nats'],
    version: identity.version,
  };
}

/** What the members of the highest term say. */
function clusterId(nodes: readonly NodeStatus[]): string | undefined {
  const known = nodes.flatMap(({ consensus }) => (consensus?.clusterId ? [consensus] : []));
  known.sort((a, b) => b.term - a.term);
  return known[0]?.clusterId;
}

function groupStatus(group: string, nodes: readonly NodeStatus[]): GroupStatus {
  const term = highest(nodes.map((node) => node.consensus?.term));
  const current = nodes.filter((node) => node.consensus?.term === term);
  const leader = current.find((node) => node.consensus?.leader !== undefined)?.consensus?.leader;
  const leading = nodes.find((node) => node.node === leader)?.consensus;
  return {
    group,
    term,
    leader: leader ?? null,
    commit_index: highest(nodes.map((node) => node.consensus?.commitIndex)),
    members: nodes.map((node) => memberStatus(node, leading)),
  };
}

/** Match index and health of a follower are the leader's knowledge, not its own. */
function memberStatus(node: NodeStatus, leading: Consensus | undefined): MemberStatus {
  const { consensus, storage } = node;
  const progress = leading?.progress.find((candidate) => candidate.node === node.node);
  const own = consensus !== undefined && consensus === leading ? consensus.durableIndex : null;
  return {
    node: node.node,
    role: progress === undefined || progress.votes ? 'voter' : 'learner',
    raft_state: consensus?.role ?? null,
    match_index: progress?.matchIndex ?? own,
    healthy:
      consensus !== undefined && consensus.spaceError === undefined && (progress?.healthy ?? true),
    log: consensus
      ? {
          first_index: consensus.logFirstIndex,
          last_index: consensus.lastIndex,
          bytes: consensus.logBytes,
        }
      : null,
    storage: storage
      ? {
          applied_index: storage.appliedIndex,
          chain: storage.chain,
          durable_index: storage.durableIndex,
          healthy: storage.healthy,
          keys: storage.keys,
          bytes: storage.bytes,
        }
      : null,
  };
}

function highest(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : Math.max(...known);
}
