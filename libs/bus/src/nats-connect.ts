/**
 * The first connection to a nats-server, and whether that server will do.
 *
 * Options for a cluster's inner network: a lost connection is dialled again for ever, every 50 to
 * 250 ms; neither a refused password nor a failed look-up ends that. The library's own heartbeat is
 * off: `Liveness` judges instead, and DESIGN.md says why.
 */
import type { Socket } from 'node:net';
import { Limits } from '@kvstore/contract';
import {
  AuthorizationError,
  compare,
  connect,
  type ConnectionOptions,
  type NatsConnection,
  type NatsConnectionImpl,
  parseSemVer,
  type Server,
  type ServerInfo,
  type Transport,
} from 'nats';

export type BusConnectErrorCode =
  'AUTHORIZATION' | 'UNREACHABLE' | 'SERVER_TOO_OLD' | 'PAYLOAD_LIMIT';

/** Why a process has no bus. The message is one line for a person. */
export class BusConnectError extends Error {
  override readonly name = 'BusConnectError';
  readonly code: BusConnectErrorCode;
  readonly retryable: boolean;

  constructor(code: BusConnectErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.retryable = code === 'UNREACHABLE';
  }
}

export interface NatsConnectOptions {
  /** Like nats://127.0.0.1:4222; any of them will do. */
  readonly servers: readonly string[];
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** A subject prefix of this process alone: answers to its requests arrive below it. */
  readonly inboxPrefix: string;
  /** How long `connect` goes on trying while no server answers; default 10 s. */
  readonly connectTimeoutMs?: number;
}

/** What the connected server says of itself. */
export interface NatsServerInfo {
  readonly address: string;
  readonly version: string;
  readonly jetstream: boolean;
  readonly payloadBytesMax: number;
  /** What KVStore would use of a newer server; so far nothing needs one. */
  readonly featuresOff: readonly string[];
}

const CONNECT_TIMEOUT_MS_DEFAULT = 10_000;
const DIAL_TIMEOUT_MS = 2_000;
const RECONNECT_WAIT_MS_MIN = 50;
const RECONNECT_WAIT_MS_MAX = 250;
/** The longest that a timer takes. */
const NEVER_MS = 2 ** 31 - 1;
const VERSION_MIN = '2.9.10';
/** A frame, and room for the headers that JetStream publishes carry. */
const PAYLOAD_BYTES_MIN = Limits.frameBytesMax + 16 * 1024;

/** Resolves with a connection to a fit server, rejects with `BusConnectError`. */
export async function connectNats(options: NatsConnectOptions): Promise<NatsConnection> {
  const connection = await dialUntil(
    options,
    performance.now() + (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT),
  );
  // Why: the library forgets the servers that did not answer its first round.
  connection.setServers([...options.servers]);
  const unfit = unfitness(serverInfoOf(connection));
  if (unfit === undefined) return connection;
  await connection.close();
  throw unfit;
}

export function serverInfoOf(connection: NatsConnection): NatsServerInfo {
  // Why: present on every connection that is not closed.
  const info = connection.info as ServerInfo;
  return {
    address: connection.getServer(),
    version: info.version,
    jetstream: info.jetstream === true,
    payloadBytesMax: info.max_payload,
    featuresOff: [],
  };
}

export function unfitness(server: NatsServerInfo): BusConnectError | undefined {
  if (compare(parseSemVer(server.version), parseSemVer(VERSION_MIN)) < 0) {
    return new BusConnectError(
      'SERVER_TOO_OLD',
      `the nats-server at ${server.address} is version ${server.version}; KVStore needs ${VERSION_MIN} or later`,
    );
  }
  if (server.payloadBytesMax < PAYLOAD_BYTES_MIN) {
    return new BusConnectError(
      'PAYLOAD_LIMIT',
      `the nats-server at ${server.address} has a max_payload of ${server.payloadBytesMax} bytes; KVStore needs ${PAYLOAD_BYTES_MIN} (the server's default is 1 MiB)`,
    );
  }
  return undefined;
}

/**
 * The socket below a connection; undefined while there is none. The library has no way to give a
 * connection up at once, nor to say how many bytes wait in it.
 */
export function socketOf(connection: NatsConnection): Socket | undefined {
  return (protocolOf(connection).transport as Transport & { readonly socket?: Socket }).socket;
}

/** Hands what the library still holds back to its socket. */
export function flushPending(connection: NatsConnection): void {
  const protocol = protocolOf(connection);
  if (protocol.outbound.length() === 0) return;
  (protocol as unknown as { flushPending(): void }).flushPending();
}

/** Ends a dial that may be under way: closing a connection leaves its socket open. */
export function discardDial(connection: NatsConnection): void {
  protocolOf(connection).transport.discard();
}

function protocolOf(connection: NatsConnection): NatsConnectionImpl['protocol'] {
  return (connection as NatsConnectionImpl).protocol;
}

async function dialUntil(options: NatsConnectOptions, deadline: number): Promise<NatsConnection> {
  let cause: unknown;
  for (;;) {
    const round = connect(connectionOptions(options));
    try {
      return await within(round, deadline - performance.now());
    } catch (error) {
      if (isRefusal(error)) {
        throw new BusConnectError(
          'AUTHORIZATION',
          `the nats-server at ${options.servers.join(', ')} refuses ${options.user === undefined ? 'a connection without a user' : `user ${options.user}`}`,
          error,
        );
      }
      cause = error;
    }
    const wait = reconnectWait();
    if (performance.now() + wait >= deadline) break;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  throw new BusConnectError(
    'UNREACHABLE',
    `no nats-server answers at ${options.servers.join(', ')}${why}`,
    cause,
  );
}

/** Rejects when the time is up; a connection that comes later is closed. */
function within(round: Promise<NatsConnection>, timeoutMs: number): Promise<NatsConnection> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error('no answer in time'));
      round.then((late) => late.close()).catch(() => undefined);
    }, timeoutMs);
    round.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function connectionOptions(options: NatsConnectOptions): ConnectionOptions {
  const { user, password } = options;
  return {
    servers: [...options.servers],
    name: options.name,
    inboxPrefix: options.inboxPrefix,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    timeout: DIAL_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: reconnectWait,
    reconnectToServer: longestAgo,
    ignoreAuthErrorAbort: true,
    pingInterval: NEVER_MS,
    noAsyncTraces: true,
    // Why: a look-up of the library cannot be ended; that of the socket ends with it.
    resolve: false,
  };
}

/** Why: the library's own order may begin with the server that was just lost, frozen as it is. */
function longestAgo(servers: readonly Server[]): Server {
  return servers.reduce((first, each) => (each.lastConnect < first.lastConnect ? each : first));
}

function reconnectWait(): number {
  return RECONNECT_WAIT_MS_MIN + Math.random() * (RECONNECT_WAIT_MS_MAX - RECONNECT_WAIT_MS_MIN);
}

/** Wrong credentials. A server too busy to check them in time says so in the same kind of error. */
function isRefusal(error: unknown): boolean {
  return error instanceof AuthorizationError && !/timeout/i.test(error.message);
}
