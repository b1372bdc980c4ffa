/**
 * The gRPC edge: `kvstore.v1.KVStore` over `KvApi`, with health and reflection.
 *
 * grpc-js directly and not Nest's gRPC transport: that wraps every unary call in observables, guards
 * and interceptors that nothing here uses. A handler is decode → call → encode, as in REST.
 */
import { createServer } from 'node:net';
import {
  Server,
  ServerCredentials,
  setLogger,
  type sendUnaryData,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { failure, Limits, type Failure } from '@kvstore/contract';
import {
  FailureException,
  listenError,
  OperationMetrics,
  REQUEST_ID_HEADER,
  requestIdOf,
  type EventLog,
  type MetricRegistry,
} from '@kvstore/nest-kit';
import type { KvApi } from '../kv/kv-api.ts';
import { clusterStatus, type GatewayIdentity } from '../status/cluster-status.ts';
import { decodeDelete, decodeGet, decodePut } from './decode.ts';
import { encodeDeleted, encodeFound, encodePut, encodeStatus } from './encode.ts';
import { grpcFailure } from './grpc-failure.ts';
import type { DeleteMessage, GetMessage, PutMessage } from './messages.ts';
import { loadProto, MALFORMED, SERVICE_NAME } from './service-definition.ts';

export interface GrpcServerOptions {
  readonly kv: KvApi;
  readonly identity: GatewayIdentity;
  readonly metrics: MetricRegistry;
  readonly log: EventLog;
}

/** `message` is answered with what it returns; a `Failure` in either way is a status. */
type Method<Message> = (message: Message, timeoutMs: number) => Promise<object | Failure>;
type Call = ServerUnaryCall<unknown, object>;

/** Kept of a caller's deadline for the way of the answer. */
const ANSWER_MS_MAX = 50;
const MESSAGE_BYTES_MAX = 24 * 1024 * 1024;
const STREAMS_PER_CONNECTION_MAX = 1_024;
const HEALTH_PERIOD_MS = 1_000;

export class GrpcServer {
  readonly #kv: KvApi;
  readonly #identity: GatewayIdentity;
  readonly #metrics: MetricRegistry;
  readonly #log: EventLog;
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE_NAME]: 'NOT_SERVING' });
  readonly #server = new Server({
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
  });
  #healthTimer: NodeJS.Timeout | undefined;

  constructor(options: GrpcServerOptions) {
    this.#kv = options.kv;
    this.#identity = options.identity;
    this.#metrics = options.metrics;
    this.#log = options.log;
    routeLibraryLog(options.log);
  }

  /** Resolves with the bound port (`port` 0 takes a free one); throws `StartError`. */
  async listen(host: string, port: number): Promise<number> {
    const proto = loadProto();
    this.#server.addService(proto.service, this.#implementation());
    this.#health.addToServer(this.#server);
    new ReflectionService(proto.package).addToServer(this.#server);
    const bound = await this.#bind(host, port);
    this.#reportHealth();
    this.#healthTimer = setInterval(() => this.#reportHealth(), HEALTH_PERIOD_MS).unref();
    return bound;
  }

  /** Stops accepting and lets calls in flight end for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    clearInterval(this.#healthTimer);
    const force = setTimeout(() => this.#server.forceShutdown(), graceMs);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(force);
  }

  #implementation(): UntypedServiceImplementation {
    return {
      Put: this.#unary('put', this.#put),
      Get: this.#unary('get', this.#get),
      Delete: this.#unary('delete', this.#delete),
      Status: this.#unary('status', this.#status),
    };
  }

  readonly #put: Method<PutMessage> = async (message, timeoutMs) => {
    const request = decodePut(message);
    const result = await this.#kv.put(request, timeoutMs);
    return result.kind === 'failure' ? result : encodePut(request, result);
  };

  readonly #get: Method<GetMessage> = async (message, timeoutMs) => {
    const request = decodeGet(message);
    const result = await this.#kv.get(request, timeoutMs);
    return result.kind === 'failure' ? result : encodeFound(request, result);
  };

  readonly #delete: Method<DeleteMessage> = async (message, timeoutMs) => {
    const result = await this.#kv.delete(decodeDelete(message), timeoutMs, {
      strict: message.strict,
    });
    return result.kind === 'failure' ? result : encodeDeleted(result);
  };

  readonly #status: Method<object> = async (_message, timeoutMs) => {
    const nodes = await this.#kv.status(timeoutMs);
    if ('code' in nodes) return nodes;
    return encodeStatus(clusterStatus(this.#identity, nodes, this.#kv.notReady));
  };

  #unary<Message>(
    op: string,
    method: Method<Message>,
  ): (call: Call, callback: sendUnaryData<object>) => Promise<void> {
    const metrics = new OperationMetrics(this.#metrics, 'grpc', op);
    return async (call, callback) => {
      const startedMs = performance.now();
      const answer = await this.#answer(call, method);
      const failed = isFailure(answer);
      metrics.record(failed ? answer.code : 'OK', startedMs);
      if (failed) callback(grpcFailure(answer, requestIdOfCall(call)));
      else callback(null, answer);
    };
  }

  async #answer<Message>(call: Call, method: Method<Message>): Promise<object | Failure> {
    if (call.request === MALFORMED) {
      return failure('INVALID_ARGUMENT', 'The message is not what this method takes.');
    }
    const timeoutMs = timeoutOf(call.getDeadline());
    if (timeoutMs < 1) return failure('DEADLINE_EXCEEDED', 'The deadline has passed.');
    try {
      // Invariant: the service definition's deserializer made the request, or MALFORMED.
      return await method(call.request as Message, timeoutMs);
    } catch (error) {
      if (error instanceof FailureException) return error.failure;
      this.#log.event('error', 'call failed', { err: error });
      return failure('INTERNAL', 'An unexpected error.');
    }
  }

  async #bind(host: string, port: number): Promise<number> {
    try {
      return await new Promise<number>((resolve, reject) => {
        this.#server.bindAsync(
          `${authority(host)}:${port}`,
          ServerCredentials.createInsecure(),
          (error, bound) => (error === null ? resolve(bound) : reject(error)),
        );
      });
    } catch (error) {
      throw listenError(await causeOf(host, port, error), 'grpc_port', host, port);
    }
  }

  #reportHealth(): void {
    const status = this.#kv.notReady === undefined ? 'SERVING' : 'NOT_SERVING';
    this.#health.setStatus('', status);
    this.#health.setStatus(SERVICE_NAME, status);
  }
}

/** grpc-js writes to the console by itself; what matters of it reaches us as an error anyway. */
function routeLibraryLog(log: EventLog): void {
  const write = (...parts: unknown[]): void =>
    log.event('debug', parts.join(' '), { context: 'grpc-js' });
  setLogger({ error: write, info: write, debug: write });
}

function requestIdOfCall(call: Call): string {
  const [given] = call.metadata.get(REQUEST_ID_HEADER);
  return requestIdOf(typeof given === 'string' ? { [REQUEST_ID_HEADER]: given } : {});
}

function isFailure(answer: object | Failure): answer is Failure {
  return 'kind' in answer && answer.kind === 'failure';
}

/**
 * What the caller's deadline leaves, within our limits. Why not all of it: an answer at the deadline
 * itself comes too late, and the caller would not learn that the outcome of its write is unknown.
 */
function timeoutOf(deadline: Date | number): number {
  const atMs = typeof deadline === 'number' ? deadline : deadline.getTime();
  if (!Number.isFinite(atMs)) return Limits.timeoutMsDefault;
  const leftMs = Math.floor(atMs - Date.now());
  return Math.min(leftMs - Math.min(ANSWER_MS_MAX, Math.floor(leftMs / 10)), Limits.timeoutMsMax);
}

function authority(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** grpc-js gives no system code when it cannot bind: a plain socket does. */
function causeOf(host: string, port: number, error: unknown): Promise<unknown> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen(port, host, () => probe.close(() => resolve(error)));
  });
}
