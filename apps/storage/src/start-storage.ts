/**
 * Starts the storage process of a member: bus, data directory, control plane, name, replica. What was
 * started last is stopped first.
 */
import { StreamArchive } from '@kvstore/event-log';
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
import type { Replica } from '@kvstore/replica';
import { observeStorage } from './storage-metrics.ts';
import { StorageModule, storageOptions } from './storage.module.ts';
import { REPLICA, STORAGE_SELF } from './storage-tokens.ts';

const GROUP = 'g0';
const ROLE = 'storage';

export async function startStorage(start: ServiceStart): Promise<void> {
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
  const codecs = [replica.frames, frames];
  watchRefusedFrames({ codecs, metrics, part: ROLE, labels: { group: GROUP }, log, shutdown });
  await serveMetrics(metrics, config, shutdown);

  await claimName(bus, frames, subjects, app.get<Self>(STORAGE_SELF));
  replica.start();
  shutdown.add(ROLE, () => replica.stop());
  log.event('info', 'storage serves', { node: name });
}
