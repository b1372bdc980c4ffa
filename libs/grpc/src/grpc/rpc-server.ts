/**
 * A gRPC server: methods by path over `Http2Server`. Register, then listen.
 *
 * `unary` is for methods that have to be fast; `addService` takes what libraries for grpc-js register.
 */
import type { Duplex } from 'node:stream';
import { assert } from '@kvstore/std';
import type { HeaderField } from '../hpack/static-table.ts';
import type { RequestHandler } from '../http2/connection.ts';
import { Http2Server } from '../http2/http2-server.ts';
import type { Http2Limits } from '../http2/limits.ts';
import type { Http2Stream, StreamReceiver } from '../http2/stream.ts';
import { interpretHead, type CallHead } from './call-head.ts';
import { BufferBudget } from './message-reader.ts';
import type { MethodDefinition, ServiceHandler } from './service-call.ts';
import { ServiceReceiver, type ServiceMethod } from './service-receiver.ts';
import { UnaryCall, type CallLimits, type UnaryHandler } from './unary-call.ts';

export interface RpcServerOptions {
  /** Of one message, in either direction; services have their own. */
  readonly messageBytesMax: number;
  /** Of all messages that have begun and wait for the end of their request. */
  readonly bufferedBytesMax: number;
  readonly limits?: Partial<Http2Limits>;
  /** A handler threw; its caller got INTERNAL. */
  readonly onError: (error: unknown) => void;
}

/** Why less: a stream both ways may keep what it has sent of a message for ever. */
const SERVICE_MESSAGE_BYTES_MAX = 64 * 1024;

type Method =
  | { readonly kind: 'unary'; readonly handler: UnaryHandler }
  | { readonly kind: 'service'; readonly method: ServiceMethod };

export class RpcServer implements RequestHandler<CallHead<Method>> {
  readonly #methods = new Map<string, Method>();
  readonly #limits: CallLimits;
  readonly #serviceLimits: CallLimits;
  readonly #http2: Http2Server;
  #serves = false;

  constructor(options: RpcServerOptions) {
    const { messageBytesMax, bufferedBytesMax, onError } = options;
    this.#limits = { messageBytesMax, budget: new BufferBudget(bufferedBytesMax), onError };
    this.#serviceLimits = {
      ...this.#limits,
      messageBytesMax: Math.min(messageBytesMax, SERVICE_MESSAGE_BYTES_MAX),
    };
    this.#http2 = new Http2Server(this, options.limits);
  }

  unary(path: string, handler: UnaryHandler): void {
    this.#register(path, { kind: 'unary', handler });
  }

  /**
   * A method without an implementation, under its name or original name, is left out. A request's message
   * has at most 64 KiB; answers are not checked.
   */
  addService(
    service: Readonly<Record<string, MethodDefinition>>,
    implementation: Readonly<Record<string, unknown>>,
  ): void {
    for (const [name, definition] of Object.entries(service)) {
      const handler = implementation[name] ?? implementation[definition.originalName ?? name];
      if (typeof handler !== 'function') continue;
      const method = { definition, handler: handler as ServiceHandler };
      this.#register(definition.path, { kind: 'service', method });
    }
  }

  /** Resolves with the port (`port` 0 takes a free one); rejects with the system's error. */
  async listen(host: string, port: number): Promise<number> {
    this.#serves = true;
    return this.#http2.listen(host, port);
  }

  /** Serves a connection that stands, e.g. a TLS socket. */
  accept(socket: Duplex): void {
    this.#serves = true;
    this.#http2.accept(socket);
  }

  /** Stops accepting and lets calls in flight end for at most `graceMs`; streaming calls end at once. */
  async close(graceMs: number): Promise<void> {
    await this.#http2.close(graceMs);
  }

  interpret(fields: readonly HeaderField[]): CallHead<Method> {
    return interpretHead(fields, this.#methods);
  }

  open(stream: Http2Stream, head: CallHead<Method>): StreamReceiver {
    if (head.kind === 'refused') {
      stream.sendHeaders(head.block, true);
      return IGNORE;
    }
    const { method } = head;
    return method.kind === 'unary'
      ? new UnaryCall(stream, head, method.handler, this.#limits)
      : new ServiceReceiver(stream, head, method.method, this.#serviceLimits);
  }

  #register(path: string, method: Method): void {
    // Why: connections remember what a path meant.
    assert(!this.#serves, 'methods are registered before the server listens');
    assert(!this.#methods.has(path), `${path} is registered twice`);
    this.#methods.set(path, method);
  }
}

/** Of a call that was refused by its header fields. */
const IGNORE: StreamReceiver = {
  endsSoon: true,
  data: () => undefined,
  end: () => undefined,
  reset: () => false,
  drain: () => undefined,
};
