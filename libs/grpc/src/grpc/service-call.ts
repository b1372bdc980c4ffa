/**
 * The shapes that libraries written for grpc-js expect of a server (health, reflection): a method's
 * description, and a call as an emitter of `data`, `end` and `cancelled`. Comfort before speed; our own
 * methods are `UnaryCall`s.
 *
 * Not offered: client streaming with a callback, `drain`, `sendMetadata`, `getPeer`, compression,
 * interceptors.
 */
import { EventEmitter } from 'node:events';
import type { Metadata } from './metadata.ts';

/** A method as `@grpc/proto-loader` describes it. */
export interface MethodDefinition {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestDeserialize: (bytes: Buffer) => object;
  readonly responseSerialize: (value: object) => Buffer;
  readonly originalName?: string | undefined;
}

/** With a callback when the method has one response. */
export type ServiceHandler = (call: ServiceCall, callback: UnaryCallback) => unknown;
export type UnaryCallback = (error: StatusLike | null, value?: object | null) => void;

/** What such libraries give as an error, or emit. */
export interface StatusLike {
  readonly code?: number;
  readonly details?: string;
}

export interface ServiceCallSink {
  write(value: object): boolean;
  finishWell(): void;
}

export class ServiceCall extends EventEmitter {
  cancelled = false;
  /** The message of a method that takes one. */
  request: object | undefined;
  readonly metadata: Metadata;
  readonly #sink: ServiceCallSink;

  constructor(metadata: Metadata, sink: ServiceCallSink) {
    super();
    this.metadata = metadata;
    this.#sink = sink;
  }

  /** False when bytes wait for the peer; when they are too many, the call is ended. */
  write(value: object): boolean {
    return this.#sink.write(value);
  }

  /** Ends the call with OK. */
  end(): void {
    this.#sink.finishWell();
  }
}
