/** The configured names of members as node ids. */
import { isNodeId, type NodeId } from '@kvstore/std';
import type { Config } from '../config/config-table.ts';
import { StartError } from '../start-error.ts';

/** Throws `StartError` when the option is not a node id. */
export function nodeIdOf({ nodeId }: Pick<Config, 'nodeId'>): NodeId {
  return asNodeId(nodeId, 'node_id');
}

/** The initial members, of which this node must be one. */
export function membersOf(config: Pick<Config, 'nodeId' | 'initialCluster'>): readonly NodeId[] {
  const nodes = initialNodes(config);
  const self = nodeIdOf(config);
  if (nodes.includes(self)) return nodes;
  throw new StartError(
    'CONFIGURATION',
    `node_id ${self} is not in initial_cluster ${nodes.join(',')}`,
    'Set initial_cluster to all members of the cluster, the same on each.',
  );
}

export function initialNodes({
  initialCluster,
}: Pick<Config, 'initialCluster'>): readonly NodeId[] {
  return initialCluster.map((name) => asNodeId(name, 'initial_cluster'));
}

function asNodeId(name: string, option: string): NodeId {
  if (isNodeId(name)) return name;
  throw new StartError(
    'CONFIGURATION',
    `${option} ${name} is not a node id`,
    'Use a name like node-1.',
  );
}
