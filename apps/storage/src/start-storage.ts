/**
 * Starts the storage process of a member: bus, data directory, control plane, name, replica. What was
 * started last is stopped first.
 */
import { resolve } from 'node:path';
import { NodeDisk } from '@kvstore/disk';
import { FrameCodec, Subjects } from '@kvstore/contract';
import { StreamArchive } from '@kvstore/event-log';
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
import type { Replica } from '@kvstore/replica';
import { observeStorage } from './storage-metrics.ts';
import { StorageModule, storageOptions } from './storage.module.ts';
import { REPLICA, STORAGE_SELF } from './storage-tokens.ts';

const GROUP = 'g0';
const ROLE = 'storage';

export async function startStorage({ config, log, shutdown }: ServiceStart): Promise<void> {
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
  const services = { [ROLE]: { name, frames } };
  const transport = new ControlTransport({ bus, subjects, services, log });
  const archive = new StreamArchive({
    connection: lanes.data.connection,
    cluster: config.cluster,
    group: GROUP,
    frames,
  });
  const module = StorageModule.register(context, { ...storageOptions(config), archive }, log);
  const app = await ServiceApp.start(module, transport, log);
  shutdown.add('control', () => app.close());
  const replica = app.get<Replica>(REPLICA);
  observeStorage(metrics, replica, GROUP);
  const metricsServer = new MetricsServer(metrics);
  await metricsServer.listen(config.host, config.metricsPort);
  shutdown.add('metrics', () => metricsServer.close());

  await claimName(bus, frames, subjects, app.get<Self>(STORAGE_SELF));
  replica.start();
  shutdown.add(ROLE, () => replica.stop());
  log.event('info', 'storage serves', { node: name });
}
