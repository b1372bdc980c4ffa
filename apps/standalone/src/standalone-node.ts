/**
 * One durable node in one process: consensus, storage and gateway, as they are in a cluster, over
 * the in-process bus. It opens the data directory, composes the services and starts them from the
 * bottom up; what was started last is stopped first.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { MemoryBus } from '@kvstore/bus';
import { ClusterClient } from '@kvstore/cluster-client';
import { ConsensusModule, observeConsensus, SEQUENCER } from '@kvstore/consensus';
import { NodeDisk } from '@kvstore/disk';
import { Gateway, observeClient } from '@kvstore/gateway';
import {
  beginIncarnation,
  clusterSecret,
  type Config,
  establish,
  HealthRegistry,
  type KvLogger,
  MetricRegistry,
  MetricsServer,
  type NodeContext,
  type NodeIdentity,
  observeRuntime,
  type Shutdown,
  StartError,
  systemClock,
  systemTimers,
} from '@kvstore/nest-kit';
import type { Replica } from '@kvstore/replica';
import type { Sequencer } from '@kvstore/sequencer';
import { acquireDirectoryLock, DirectoryInUseError } from '@kvstore/sqlite';
import { isNodeId, SeededRandom } from '@kvstore/std';
import { observeStorage, REPLICA, StorageModule } from '@kvstore/storage';

const GROUP = 'g0';
const GATEWAY = 'gateway-1';
const DIRECTORY = 'standalone';
const CLOSE_GRACE_MS = 5_000;
const READY_WAIT_MS = 10_000;
const READY_POLL_MS = 2;

export interface Addresses {
  readonly rest: string;
  readonly grpc: string;
  readonly metrics: string;
}

export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  }
).version;

/** Resolves when the node serves; throws `StartError`. Stopping is registered with `shutdown`. */
export async function startStandalone(
  config: Config,
  log: KvLogger,
  shutdown: Shutdown,
): Promise<Addresses> {
  const { context, identity } = await openNode(config, log, shutdown);
  const metrics = new MetricRegistry();
  const health = new HealthRegistry();
  observeRuntime(metrics);
  const client = createClient(context);
  const gateway = await Gateway.start({
    host: config.host,
    httpPort: config.httpPort,
    grpcPort: config.grpcPort,
    identity: { ...identity, group: GROUP, gateway: GATEWAY, version, featuresOff: [] },
    metrics,
    health,
    log,
    imports: [
      ConsensusModule.register(context),
      StorageModule.register(context, {
        memtableBytes: config.memtableSize,
        numMemtables: config.numMemtables,
        blockCacheBytes: config.blockCacheSize,
      }),
    ],
    client: {
      inject: [SEQUENCER, REPLICA],
      useFactory: async (sequencer: Sequencer, replica: Replica) => {
        await startServices({ sequencer, replica, client }, log, shutdown);
        observeConsensus(metrics, sequencer, GROUP);
        observeStorage(metrics, replica, GROUP);
        observeClient(metrics, client, GATEWAY);
        return client;
      },
    },
  });
  shutdown.add('gateway', () => gateway.close(CLOSE_GRACE_MS));
  const metricsServer = new MetricsServer(metrics);
  const metricsPort = await metricsServer.listen(config.host, config.metricsPort);
  shutdown.add('metrics', () => metricsServer.close());
  const established = untilReady(client).then(() => establish(context.disk, identity));
  established.catch(context.onFatal);
  await Promise.race([established, lateNotice(client, log)]);
  return {
    rest: `http://${config.host}:${gateway.httpPort}`,
    grpc: `${config.host}:${gateway.grpcPort}`,
    metrics: `http://${config.host}:${metricsPort}/metrics`,
  };
}

/** Locks the data directory and begins an incarnation of this member in it. */
async function openNode(
  config: Config,
  log: KvLogger,
  shutdown: Shutdown,
): Promise<{ readonly context: NodeContext; readonly identity: NodeIdentity }> {
  const root = resolve(config.dataDir);
  const dataPath = resolve(root, DIRECTORY);
  const lock = lockDirectory(dataPath);
  shutdown.add('lock', async () => lock.release());
  const { nodeId: node, cluster } = config;
  if (!isNodeId(node)) {
    throw new StartError(
      'CONFIGURATION',
      `node_id ${node} is not a node id`,
      'Use a name like node-1.',
    );
  }
  const disk = new NodeDisk(dataPath);
  const identity = await beginIncarnation(disk, dataPath, { cluster, node });
  const bus = new MemoryBus();
  shutdown.add('bus', () => bus.close());
  const context: NodeContext = {
    cluster,
    group: GROUP,
    node,
    incarnation: identity.incarnation,
    established: identity.established,
    secret: await clusterSecret(new NodeDisk(root), config.clusterSecret),
    nodes: [node],
    bus,
    disk,
    dataPath,
    clock: systemClock,
    timers: systemTimers,
    random: new SeededRandom(randomInt(2 ** 47)),
    onFatal: (error) => stopNow(error, log),
  };
  return { context, identity };
}

function lockDirectory(path: string) {
  try {
    return acquireDirectoryLock(path);
  } catch (error) {
    if (!(error instanceof DirectoryInUseError)) throw error;
    throw new StartError(
      'DATA_DIR_IN_USE',
      error.message,
      'Stop the other process, or set data_dir to another directory.',
      error,
    );
  }
}

/** A crashed replica is safe, a wrong one is not: nothing is flushed, nothing more is acknowledged. */
function stopNow(error: unknown, log: KvLogger): void {
  log.event('fatal', 'the node cannot go on and stops', { err: error });
  process.exit(1);
}

function createClient(context: NodeContext): ClusterClient {
  return new ClusterClient({ ...context, gateway: GATEWAY, home: context.node });
}

interface Services {
  readonly sequencer: Sequencer;
  readonly replica: Replica;
  readonly client: ClusterClient;
}

async function startServices(
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
  replica.start();
  shutdown.add('storage', () => replica.stop());
  await sequencer.start();
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
