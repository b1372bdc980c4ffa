/**
 * Starts a gateway process: bus, client of the cluster, public ports. It holds nothing, so it starts
 * wherever its name is free; what was started last is stopped first.
 */
import { ClusterClient } from '@kvstore/cluster-client';
import {
  claimName,
  ControlTransport,
  HealthRegistry,
  initialNodes,
  joinCluster,
  type NatsLanes,
  Self,
  serveMetrics,
  type ServiceStart,
  stopOn,
  systemClock,
  systemRandom,
  systemTimers,
  version,
  watchRefusedFrames,
} from '@kvstore/nest-kit';
import type { NodeId } from '@kvstore/std';
import { observeClient } from './client-metrics.ts';
import { Gateway } from './gateway.ts';

const GROUP = 'g0';
const ROLE = 'gateway';
const CLOSE_GRACE_MS = 5_000;

export async function startGateway(start: ServiceStart): Promise<void> {
  const { config, log, shutdown } = start;
  const name = config.gatewayName;
  const nodes = initialNodes(config);
  const seat = await joinCluster(start, { group: GROUP, role: ROLE, name });
  const { secret, lanes, metrics, subjects } = seat;
  // Why the time: a gateway keeps nothing from which it could count its starts.
  const incarnation = Date.now();
  const frames = seat.frames(incarnation);
  const self = new Self(ROLE, name);
  const client = new ClusterClient({
    gateway: name,
    cluster: config.cluster,
    group: GROUP,
    incarnation,
    secret,
    nodes,
    home: firstHome(name, nodes),
    lanes,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom(),
    onFatal: stopOn(log),
  });
  const gateway = await Gateway.start({
    host: config.host,
    httpPort: config.httpPort,
    grpcPort: config.grpcPort,
    identity: {
      cluster: config.cluster,
      group: GROUP,
      gateway: name,
      version,
      nats: () => natsStatus(lanes),
    },
    self,
    control: new ControlTransport({
      bus: lanes.control,
      subjects,
      services: { [ROLE]: { name, frames } },
      log,
    }),
    metrics,
    health: new HealthRegistry(),
    log,
    client: { useFactory: () => client },
  });
  shutdown.add(ROLE, () => gateway.close(CLOSE_GRACE_MS));
  await serveMetrics(metrics, config, shutdown);
  await claimName(lanes.control, frames, subjects, self);
  client.start();
  shutdown.add('client', async () => client.stop());
  observeClient(metrics, client, name);
  const codecs = [client.frames, frames];
  watchRefusedFrames({ codecs, metrics, part: ROLE, labels: { gateway: name }, log, shutdown });
  log.event('info', 'gateway serves', { gateway: name, http_port: gateway.httpPort });
}

/** Gateways spread over the storages by the number in their name, else by its bytes. */
function firstHome(gateway: string, nodes: readonly NodeId[]): NodeId {
  const number = /(\d+)$/.exec(gateway)?.[1];
  const bytes = Buffer.from(gateway).reduce((sum, byte) => sum + byte, 0);
  const place = number === undefined ? bytes : Number(number) - 1;
  return nodes[Math.max(0, place) % nodes.length] as NodeId;
}

function natsStatus({ data }: NatsLanes) {
  return {
    version: data.server.version,
    jetstream: data.server.jetstream,
    connected: data.status === 'connected',
    features_off: data.server.featuresOff,
  };
}
