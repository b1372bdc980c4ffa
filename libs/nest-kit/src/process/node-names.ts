/** The configured names of members as node ids. */
import { isNodeId, type NodeId } from '@kvstore/std';
import type { Config } from '../config/config-table.ts';
import { StartError } from '../start-error.ts';

/** Throws `StartError` when the option is not a node id. */
export function nodeIdOf({ nodeId }: Pick<Config, 'nodeId'>): NodeId {
  return asNodeId(nodeId, 'node_id');
}

/** Who founds the cluster, or who is asked about it by a node that is not among them. */
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
