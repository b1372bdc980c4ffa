/**
 * The gRPC edge: `kvstore.v1.KVStore` over `KvApi`, with health and reflection.
 *
 * Not Nest's gRPC transport: that wraps every unary call in observables, guards and interceptors that
 * nothing here uses. A handler is decode → call → encode, as in REST.
 */
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { failure, Limits, type Failure } from '@kvstore/contract';
import { RpcServer, type UnaryCall, type UnaryHandler } from '@kvstore/grpc';
import {
  FailureException,
  listenError,
  OperationMetrics,
  REQUEST_ID_HEADER,
  requestIdOf,
  type EventLog,
  type MetricRegistry,
} from '@kvstore/nest-kit';
import { assert, DecodeError } from '@kvstore/std';
import type { KvApi } from '../kv/kv-api.ts';
import { clusterStatus, type GatewayIdentity } from '../status/cluster-status.ts';
import { decodeDelete, decodeGet, decodePut } from './decode.ts';
import { encodeDeleted, encodeFound, encodePut } from './encode.ts';
import { grpcFailure } from './grpc-failure.ts';
import { memberMethods } from './member-methods.ts';
import { readDelete, readEmpty, readGet, readPut } from './messages.ts';
import { loadProto, SERVICE_NAME } from './service-definition.ts';

export interface GrpcServerOptions {
  readonly kv: KvApi;
  readonly identity: GatewayIdentity;
  readonly metrics: MetricRegistry;
  readonly log: EventLog;
}

/**
 * Answers a message with one; a `Failure`, returned or thrown, is a status, and so is a `DecodeError`: the
 * message was none.
 */
type Method = (message: Buffer, timeoutMs: number) => Promise<Uint8Array | Failure>;

/** Kept of a caller's deadline for the way of the answer. */
const ANSWER_MS_MAX = 50;
const MESSAGE_BYTES_MAX = 24 * 1024 * 1024;
const BUFFERED_BYTES_MAX = 256 * 1024 * 1024;
const HEALTH_PERIOD_MS = 1_000;

export class GrpcServer {
  readonly #kv: KvApi;
  readonly #identity: GatewayIdentity;
  readonly #metrics: MetricRegistry;
  readonly #log: EventLog;
  readonly #proto = loadProto();
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE_NAME]: 'NOT_SERVING' });
  readonly #server: RpcServer;
  #healthTimer: NodeJS.Timeout | undefined;

  constructor(options: GrpcServerOptions) {
    this.#kv = options.kv;
    this.#identity = options.identity;
    this.#metrics = options.metrics;
    this.#log = options.log;
    this.#server = new RpcServer({
      messageBytesMax: MESSAGE_BYTES_MAX,
      bufferedBytesMax: BUFFERED_BYTES_MAX,
      onError: (error) => options.log.event('error', 'call failed', { err: error }),
    });
  }

  /** Resolves with the bound port (`port` 0 takes a free one); throws `StartError`. */
  async listen(host: string, port: number): Promise<number> {
    this.#register('Put', this.#put);
    this.#register('Get', this.#get);
    this.#register('Delete', this.#delete);
    this.#register('Status', this.#status);
    for (const [name, method] of memberMethods(this.#kv, this.#proto.service)) {
      this.#register(name, method);
    }
    this.#health.addToServer(this.#server);
    new ReflectionService(this.#proto.package).addToServer(this.#server);
    const bound = await this.#bind(host, port);
    this.#reportHealth();
    this.#healthTimer = setInterval(() => this.#reportHealth(), HEALTH_PERIOD_MS).unref();
    return bound;
  }

  /** Stops accepting and lets calls in flight end for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    clearInterval(this.#healthTimer);
    await this.#server.close(graceMs);
  }

  readonly #put: Method = async (message, timeoutMs) => {
    const request = decodePut(readPut(message));
    const result = await this.#kv.put(request, timeoutMs);
    return result.kind === 'failure' ? result : encodePut(request, result);
  };

  readonly #get: Method = async (message, timeoutMs) => {
    const request = decodeGet(readGet(message));
    const result = await this.#kv.get(request, timeoutMs);
    return result.kind === 'failure' ? result : encodeFound(request, result);
  };

  readonly #delete: Method = async (message, timeoutMs) => {
    const request = readDelete(message);
    const { strict } = request;
    const result = await this.#kv.delete(decodeDelete(request), timeoutMs, { strict });
    return result.kind === 'failure' ? result : encodeDeleted(result);
  };

  /** The REST document has the message's names; null there is unset here. */
  readonly #status: Method = async (message, timeoutMs) => {
    readEmpty(message);
    const nodes = await this.#kv.status(timeoutMs);
    if ('code' in nodes) return nodes;
    const { Status } = this.#proto.service;
    assert(Status !== undefined, 'the service has no method Status');
    return Status.responseSerialize(clusterStatus(this.#identity, nodes, this.#kv.notReady));
  };

  #register(name: string, method: Method): void {
    const definition = this.#proto.service[name];
    assert(definition !== undefined, `the service has no method ${name}`);
    this.#server.unary(definition.path, this.#unary(name.toLowerCase(), method));
  }

  #unary(op: string, method: Method): UnaryHandler {
    const metrics = new OperationMetrics(this.#metrics, 'grpc', op);
    return async (message, call) => {
      const answer = await this.#answer(message, call, method);
      const good = answer instanceof Uint8Array;
      metrics.record(good ? 'OK' : answer.code, call.arrivedMs);
      if (good) call.respond(answer);
      else call.fail(grpcFailure(answer, requestIdOfCall(call)));
    };
  }

  async #answer(message: Buffer, call: UnaryCall, method: Method): Promise<Uint8Array | Failure> {
    const timeoutMs = timeoutOf(call);
    if (timeoutMs < 1) return failure('DEADLINE_EXCEEDED', 'The deadline has passed.');
    try {
      return await method(message, timeoutMs);
    } catch (error) {
      if (error instanceof FailureException) return error.failure;
      if (error instanceof DecodeError) {
        return failure('INVALID_ARGUMENT', 'The message is not what this method takes.');
      }
      this.#log.event('error', 'call failed', { err: error });
      return failure('INTERNAL', 'An unexpected error.');
    }
  }

  async #bind(host: string, port: number): Promise<number> {
    try {
      return await this.#server.listen(host, port);
    } catch (error) {
      throw listenError(error, 'grpc_port', host, port);
    }
  }

  #reportHealth(): void {
    const status = this.#kv.notReady === undefined ? 'SERVING' : 'NOT_SERVING';
    this.#health.setStatus('', status);
    this.#health.setStatus(SERVICE_NAME, status);
  }
}

function requestIdOfCall(call: UnaryCall): string {
  return requestIdOf(call.metadata.get(REQUEST_ID_HEADER));
}

/**
 * What the caller's deadline leaves, within our limits. Why not all of it: an answer at the deadline
 * itself comes too late, and the caller would not learn that the outcome of its write is unknown.
 */
function timeoutOf({ timeoutMs, arrivedMs }: UnaryCall): number {
  if (timeoutMs === undefined) return Limits.timeoutMsDefault;
  const leftMs = Math.floor(timeoutMs - (performance.now() - arrivedMs));
  return Math.min(leftMs - Math.min(ANSWER_MS_MAX, Math.floor(leftMs / 10)), Limits.timeoutMsMax);
}
