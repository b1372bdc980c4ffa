/**
 * Starts the consensus process of a member: bus, data directory, control plane, then name, founding,
 * and only then the sequencer, made of what was founded, which may vote. What was started last is stopped first.
 */
import {
  claimName,
  ControlTransport,
  initialNodes,
  joinCluster,
  nodeIdOf,
  openMember,
  serveMetrics,
  type Self,
  ServiceApp,
  type ServiceStart,
  watchRefusedFrames,
} from '@kvstore/nest-kit';
import { startArchiver } from './archive.ts';
import type { Consensus } from './consensus.ts';
import { observeConsensus } from './consensus-metrics.ts';
import { ConsensusModule, sequencerConfig } from './consensus.module.ts';
import { CONSENSUS, CONSENSUS_SELF } from './consensus-tokens.ts';
import { foundCluster } from './found-cluster.ts';
import { watchRemoval } from './removal-watch.ts';

const GROUP = 'g0';
const ROLE = 'consensus';

export async function startConsensus(start: ServiceStart): Promise<void> {
  const { config, log, shutdown } = start;
  const nodes = initialNodes(config);
  const name = nodeIdOf(config);
  const seat = await joinCluster(start, { group: GROUP, role: ROLE, name });
  const { secret, lanes, metrics, subjects } = seat;
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
  const frames = seat.frames(context.incarnation);
  const bus = lanes.control;
  const transport = new ControlTransport({
    bus,
    subjects,
    services: { [ROLE]: { name, frames } },
    log,
  });
  const module = ConsensusModule.register(context, sequencerConfig(config), log);
  const app = await ServiceApp.start(module, transport, log);
  shutdown.add('control', () => app.close());
  const consensus = app.get<Consensus>(CONSENSUS);
  const self = app.get<Self>(CONSENSUS_SELF);
  const codecs = [frames];
  watchRefusedFrames({ codecs, metrics, part: ROLE, labels: { group: GROUP }, log, shutdown });
  await serveMetrics(metrics, config, shutdown);

  await claimName(bus, frames, subjects, self);
  const clusterId = await foundCluster({ context, bus, frames, subjects, self, log });
  const sequencer = consensus.begin();
  // Why only now: it hears nothing before it starts.
  codecs.push(sequencer.frames);
  observeConsensus(metrics, sequencer, GROUP);
  const { cut } = sequencer.log.recovered;
  if (cut !== undefined) {
    log.event('warn', 'cut a torn record that was never acknowledged from the log', { ...cut });
  }
  await sequencer.start(clusterId);
  shutdown.add(ROLE, () => sequencer.stop());
  watchRemoval({ sequencer, node: name, nodes, bus, frames, subjects, self, log, shutdown });
  startArchiver({ sequencer, context, frames, lanes, metrics, log, shutdown });
  log.event('info', 'consensus serves', { node: name, cluster_id: clusterId });
}
