/**
 * One durable node in one process: consensus, storage and gateway, as they are in a cluster, over
 * the in-process bus. It opens the data directory, composes the services and starts them from the
 * bottom up; what was started last is stopped first.
 */
import { MemoryBus } from '@kvstore/bus';
import { ClusterClient } from '@kvstore/cluster-client';
import { clusterIdOf, FrameCodec, SenderRole, Subjects } from '@kvstore/contract';
import {
  CONSENSUS,
  type Consensus,
  ConsensusModule,
  observeConsensus,
  sequencerConfig,
} from '@kvstore/consensus';
import { Gateway, observeClient } from '@kvstore/gateway';
import {
  clusterSecret,
  type Config,
  ControlTransport,
  HealthRegistry,
  type KvLogger,
  MetricRegistry,
  type NodeContext,
  nodeIdOf,
  observeRuntime,
  openMember,
  Self,
  serveMetrics,
  type Shutdown,
  StartError,
  version,
  watchRefusedFrames,
} from '@kvstore/nest-kit';
import type { Replica } from '@kvstore/replica';
import type { Sequencer } from '@kvstore/sequencer';
import { assert } from '@kvstore/std';
import { observeStorage, REPLICA, StorageModule, storageOptions } from '@kvstore/storage';

const GROUP = 'g0';
const GATEWAY = 'gateway-1';
const FOLDER = 'standalone';
const CLOSE_GRACE_MS = 5_000;
const READY_WAIT_MS = 10_000;
const READY_POLL_MS = 2;

export interface Addresses {
  readonly rest: string;
  readonly grpc: string;
  readonly metrics: string;
}

/** Resolves when the node serves; throws `StartError`. Stopping is registered with `shutdown`. */
export async function startStandalone(
  config: Config,
  log: KvLogger,
  shutdown: Shutdown,
): Promise<Addresses> {
  const context = await openNode(config, log, shutdown);
  const metrics = new MetricRegistry();
  const health = new HealthRegistry();
  observeRuntime(metrics);
  const client = new ClusterClient({ ...context, gateway: GATEWAY, home: context.node });
  const gateway = await Gateway.start({
    host: config.host,
    httpPort: config.httpPort,
    grpcPort: config.grpcPort,
    identity: {
      cluster: config.cluster,
      group: GROUP,
      gateway: GATEWAY,
      version,
      nats: () => null,
    },
    self: new Self('gateway', GATEWAY),
    control: controlTransport(context, log),
    metrics,
    health,
    log,
    imports: [
      ConsensusModule.register(context, sequencerConfig(config), log),
      StorageModule.register(context, storageOptions(config), log),
    ],
    client: {
      inject: [CONSENSUS, REPLICA],
      useFactory: async (consensus: Consensus, replica: Replica) => {
        const sequencer = consensus.begin();
        await startServices(context, { sequencer, replica, client }, log, shutdown);
        observeConsensus(metrics, sequencer, GROUP);
        observeStorage(metrics, replica, GROUP);
        observeClient(metrics, client, GATEWAY);
        for (const [part, { frames }, labels] of [
          ['consensus', sequencer, { group: GROUP }],
          ['storage', replica, { group: GROUP }],
          ['gateway', client, { gateway: GATEWAY }],
        ] as const) {
          watchRefusedFrames({ codecs: [frames], metrics, part, labels, log, shutdown });
        }
        return client;
      },
    },
  });
  shutdown.add('gateway', () => gateway.close(CLOSE_GRACE_MS));
  const metricsPort = await serveMetrics(metrics, config, shutdown);
  await Promise.race([untilReady(client), lateNotice(client, log)]);
  return {
    rest: `http://${config.host}:${gateway.httpPort}`,
    grpc: `${config.host}:${gateway.grpcPort}`,
    metrics: `http://${config.host}:${metricsPort}/metrics`,
  };
}

/** Opens the member and founds its cluster of one, so that every part knows where it belongs. */
async function openNode(config: Config, log: KvLogger, shutdown: Shutdown): Promise<NodeContext> {
  const node = nodeIdOf(config);
  const bus = new MemoryBus();
  shutdown.add('bus', () => bus.close());
  const context = await openMember({
    config,
    group: GROUP,
    folder: FOLDER,
    part: '',
    nodes: [node],
    secret: (root) => clusterSecret(root, config.clusterSecret),
    lanes: { data: bus, control: bus },
    log,
    shutdown,
  });
  const { directory } = context;
  const { disk, clusterId, founders } = directory.identity;
  if (clusterId === undefined || founders === undefined) {
    const self = { [node]: disk };
    await directory.found(clusterId ?? clusterIdOf(self), self);
  }
  return context;
}

/** All three roles of the one process. */
function controlTransport(context: NodeContext, log: KvLogger): ControlTransport {
  const { cluster, group, node, incarnation, secret, lanes } = context;
  const service = (role: SenderRole, name: string) => ({
    name,
    frames: new FrameCodec({ cluster, group, secret, sender: { role, name, incarnation } }),
  });
  return new ControlTransport({
    bus: lanes.control,
    subjects: new Subjects(cluster, group),
    services: {
      [SenderRole.consensus]: service(SenderRole.consensus, node),
      [SenderRole.storage]: service(SenderRole.storage, node),
      [SenderRole.gateway]: service(SenderRole.gateway, GATEWAY),
    },
    log,
  });
}

interface Services {
  readonly sequencer: Sequencer;
  readonly replica: Replica;
  readonly client: ClusterClient;
}

async function startServices(
  { directory }: NodeContext,
  { sequencer, replica, client }: Services,
  log: KvLogger,
  shutdown: Shutdown,
): Promise<void> {
  const { cut, last } = sequencer.log.recovered;
  if (cut !== undefined) {
    log.event('warn', 'cut a torn record that was never acknowledged from the log', { ...cut });
  }
  const { appliedIndex } = replica.status();
  if (appliedIndex > last.index) {
    throw new StartError(
      'DATA_DIR_DAMAGED',
      `the log ends at entry ${last.index}, but storage has applied entry ${appliedIndex}: ` +
        'acknowledged entries are missing from the log',
      'Restore the log from a copy, or move the data directory away and start this member empty.',
    );
  }
  await directory.establish();
  replica.start();
  shutdown.add('storage', () => replica.stop());
  const { clusterId } = directory.identity;
  assert(clusterId !== undefined, 'one node founds its cluster when it opens');
  await sequencer.start(clusterId);
  shutdown.add('consensus', () => sequencer.stop());
  client.start();
  shutdown.add('client', async () => client.stop());
}

/** Resolves when writes can be acknowledged, however long that takes. */
async function untilReady(client: ClusterClient): Promise<void> {
  while (client.notReady !== undefined) await pause(READY_POLL_MS);
}

/** The node serves what it can and says why it is not ready, e.g. on a full disk. */
async function lateNotice(client: ClusterClient, log: KvLogger): Promise<void> {
  await pause(READY_WAIT_MS);
  if (client.notReady === undefined) return;
  log.event('warn', 'serving, but not ready yet', { why: client.notReady });
}

/** Does not keep the process alive. */
function pause(ms: number): Promise<void> {
  return new Promise((done) => void setTimeout(done, ms).unref());
}
