/** One incarnation of a gateway: the real routed client. */
import { ClusterClient } from '@kvstore/cluster-client';
import type { Lanes } from '@kvstore/contract';
import { type NodeId, SeededRandom } from '@kvstore/std';
import { IDENTITY } from './identity.ts';
import type { SimProcess } from './sim-process.ts';

export interface GatewayOptions {
  readonly process: SimProcess;
  readonly nodes: readonly NodeId[];
  readonly home: NodeId;
  readonly lanes: Lanes;
  readonly seed: number;
  readonly onFatal: (error: unknown) => void;
}

export function startGateway(options: GatewayOptions): ClusterClient {
  const { process, nodes, home, lanes, onFatal } = options;
  const client = new ClusterClient({
    ...IDENTITY,
    nodes,
    home,
    lanes,
    onFatal,
    gateway: process.machine,
    incarnation: process.incarnation,
    clock: process.clock,
    timers: process.timers,
    random: new SeededRandom(options.seed),
  });
  client.start();
  return client;
}
