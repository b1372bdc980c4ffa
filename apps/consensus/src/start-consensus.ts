/**
 * Starts the consensus process of a member: bus, data directory, control plane, then name, founding,
 * and only then the sequencer, which may vote. What was started last is stopped first.
 */
import { resolve } from 'node:path';
import { NodeDisk } from '@kvstore/disk';
import { FrameCodec, Subjects } from '@kvstore/contract';
import {
  claimName,
  connectLanes,
  ControlTransport,
  existingClusterSecret,
  membersOf,
  MetricRegistry,
  MetricsServer,
  nodeIdOf,
  observeLanes,
  observeRuntime,
  openMember,
  type Self,
  ServiceApp,
  type ServiceStart,
} from '@kvstore/nest-kit';
import type { Sequencer } from '@kvstore/sequencer';
import { startArchiver } from './archive.ts';
import { observeConsensus } from './consensus-metrics.ts';
import { ConsensusModule } from './consensus.module.ts';
import { CONSENSUS_SELF, SEQUENCER } from './consensus-tokens.ts';
import { foundCluster } from './found-cluster.ts';

const GROUP = 'g0';
const ROLE = 'consensus';

export async function startConsensus({ config, log, shutdown }: ServiceStart): Promise<void> {
  const nodes = membersOf(config);
  const name = nodeIdOf(config);
  const secret = await existingClusterSecret(
    new NodeDisk(resolve(config.dataDir)),
    config.clusterSecret,
  );
  const metrics = new MetricRegistry();
  observeRuntime(metrics);
  const lanes = await connectLanes({ config, group: GROUP, role: ROLE, name, log, shutdown });
  observeLanes(metrics, lanes);
  const context = await openMember({
    config,
    group: GROUP,
    folder: name,
    part: ROLE,
    nodes,
    secret: () => Promise.resolve(secret),
    lanes,
    log,
    shutdown,
  });
  const subjects = new Subjects(config.cluster, GROUP);
  const sender = { role: ROLE, name, incarnation: context.incarnation } as const;
  const frames = new FrameCodec({ cluster: config.cluster, group: GROUP, secret, sender });
  const bus = lanes.control;
  const transport = new ControlTransport({
    bus,
    subjects,
    services: { [ROLE]: { name, frames } },
    log,
  });
  const app = await ServiceApp.start(ConsensusModule.register(context, log), transport, log);
  shutdown.add('control', () => app.close());
  const sequencer = app.get<Sequencer>(SEQUENCER);
  const self = app.get<Self>(CONSENSUS_SELF);
  observeConsensus(metrics, sequencer, GROUP);
  const metricsServer = new MetricsServer(metrics);
  await metricsServer.listen(config.host, config.metricsPort);
  shutdown.add('metrics', () => metricsServer.close());

  await claimName(bus, frames, subjects, self);
  const clusterId = await foundCluster({ context, bus, frames, subjects, self, log });
  const { cut } = sequencer.log.recovered;
  if (cut !== undefined) {
    log.event('warn', 'cut a torn record that was never acknowledged from the log', { ...cut });
  }
  await sequencer.start(clusterId);
  shutdown.add(ROLE, () => sequencer.stop());
  startArchiver({ sequencer, context, frames, lanes, metrics, log, shutdown });
  log.event('info', 'consensus serves', { node: name, cluster_id: clusterId });
}
