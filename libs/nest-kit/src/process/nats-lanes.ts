/**
 * The two lanes of one process over NATS: connections of their own for bulk and for votes, heartbeats
 * and marks. What happens to them is told in one log line each; what is refused is counted.
 */
import { Subjects, type SenderRole, type Lanes } from '@kvstore/contract';
import { BusConnectError, type BusConnectErrorCode, type BusEvent, NatsBus } from '@kvstore/bus';
import type { Config } from '../config/config-table.ts';
import type { KvLogger } from '../logger.ts';
import type { MetricRegistry } from '../metrics/metric-registry.ts';
import type { Shutdown } from '../shutdown.ts';
import { StartError, type StartErrorCode } from '../start-error.ts';

export interface NatsLanes extends Lanes {
  readonly data: NatsBus;
  readonly control: NatsBus;
}

export interface LaneOptions {
  readonly config: Config;
  readonly group: string;
  readonly role: SenderRole;
  readonly name: string;
  readonly log: KvLogger;
  readonly shutdown: Shutdown;
}

/** Connects both; throws `StartError`. Closing is registered with `shutdown`. */
export async function connectLanes(options: LaneOptions): Promise<NatsLanes> {
  try {
    const [data, control] = await Promise.all([
      connectLane(options, 'data'),
      connectLane(options, 'control'),
    ]);
    options.shutdown.add('bus', async () => {
      await Promise.all([data.close(), control.close()]);
    });
    return { data, control };
  } catch (error) {
    if (!(error instanceof BusConnectError)) throw error;
    const [code, remedy] = startErrors[error.code];
    throw new StartError(code, error.message, remedy, error);
  }
}

function connectLane(options: LaneOptions, lane: keyof Lanes): Promise<NatsBus> {
  const { config, group, role, name, log } = options;
  return NatsBus.connect({
    servers: config.natsUrl,
    user: config.natsUser,
    password: config.natsPassword,
    name: `${role}-${name}-${lane}`,
    inboxPrefix: new Subjects(config.cluster, group).inbox(role, name),
    onEvent: (event) => logEvent(log, lane, event),
  });
}

const startErrors: Readonly<Record<BusConnectErrorCode, readonly [StartErrorCode, string]>> = {
  AUTHORIZATION: [
    'NATS_REFUSED',
    'Give this process the user and password that the nats-server knows it by.',
  ],
  UNREACHABLE: ['NATS_UNREACHABLE', 'Start a nats-server there, or set nats_url.'],
  SERVER_TOO_OLD: ['NATS_UNSUITABLE', 'Use nats-server 2.9.10 or later.'],
  PAYLOAD_LIMIT: ['NATS_UNSUITABLE', 'Set max_payload of the nats-server to 1 MiB or more.'],
};

function logEvent(log: KvLogger, lane: keyof Lanes, event: BusEvent): void {
  const { kind, ...fields } = event;
  const level = kind === 'connected' ? 'info' : 'warn';
  log.event(level, `NATS: ${kind}`, { lane, ...fields });
}

export function observeLanes(metrics: MetricRegistry, lanes: NatsLanes): void {
  for (const lane of ['data', 'control'] as const) {
    const bus = lanes[lane];
    const labels = { lane };
    metrics.gauge(
      'kvstore_bus_connected',
      '1 while the connection to NATS stands.',
      () => Number(bus.status === 'connected'),
      labels,
    );
    for (const [name, help, read] of [
      ['published', 'Messages handed to NATS.', () => bus.counters.published],
      ['delivered', 'Messages received from NATS.', () => bus.counters.delivered],
      ['dropped', 'Messages refused or dropped by the own client.', () => bus.counters.dropped],
      ['reconnects', 'Connections made again.', () => bus.counters.reconnects],
      [
        'permission_errors',
        'Subjects that NATS refused to this process.',
        () => bus.counters.permissionErrors,
      ],
    ] as const) {
      metrics.observedCounter(`kvstore_bus_${name}_total`, help, read, labels);
    }
  }
}
