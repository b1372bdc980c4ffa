/**
 * What every process of a cluster has before its own part begins: the secret, the two lanes to NATS,
 * metrics, and the names and frames by which the others know it.
 */
import { resolve } from 'node:path';
import { FrameCodec, type SenderRole, Subjects } from '@kvstore/contract';
import { NodeDisk } from '@kvstore/disk';
import type { Config } from '../config/config-table.ts';
import { MetricRegistry } from '../metrics/metric-registry.ts';
import { MetricsServer } from '../metrics/metrics-server.ts';
import { observeRuntime } from '../metrics/runtime-metrics.ts';
import type { Shutdown } from '../shutdown.ts';
import { existingClusterSecret } from './data-directory.ts';
import { connectLanes, type NatsLanes, observeLanes } from './nats-lanes.ts';
import type { ServiceStart } from './run-service.ts';

export interface ProcessName {
  readonly group: string;
  readonly role: SenderRole;
  readonly name: string;
}

export interface ClusterSeat {
  readonly secret: Uint8Array;
  readonly lanes: NatsLanes;
  readonly metrics: MetricRegistry;
  readonly subjects: Subjects;
  /** Frames of this process in this start. */
  frames(incarnation: number): FrameCodec;
}

/** Throws `StartError`. What it opens is closed by `shutdown`. */
export async function joinCluster(
  { config, log, shutdown }: ServiceStart,
  { group, role, name }: ProcessName,
): Promise<ClusterSeat> {
  const disk = new NodeDisk(resolve(config.dataDir));
  const secret = await existingClusterSecret(disk, config.clusterSecret);
  const metrics = new MetricRegistry();
  observeRuntime(metrics);
  const lanes = await connectLanes({ config, group, role, name, log, shutdown });
  observeLanes(metrics, lanes);
  const { cluster } = config;
  return {
    secret,
    lanes,
    metrics,
    subjects: new Subjects(cluster, group),
    frames: (incarnation) =>
      new FrameCodec({ cluster, group, secret, sender: { role, name, incarnation } }),
  };
}

/** Serves `/metrics`; resolves with the bound port. */
export async function serveMetrics(
  metrics: MetricRegistry,
  { host, metricsPort }: Config,
  shutdown: Shutdown,
): Promise<number> {
  const server = new MetricsServer(metrics);
  const port = await server.listen(host, metricsPort);
  shutdown.add('metrics', () => server.close());
  return port;
}
