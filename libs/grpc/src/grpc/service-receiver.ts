/**
 * Drives a `ServiceCall`: messages in, messages and the status out. A call whose answers are not read ends
 * when 1 MiB of them waits; the deadline is kept by a timer.
 */
import type { Http2Stream, StreamReceiver } from '../http2/stream.ts';
import { MessageReader, type MessageSink } from './message-reader.ts';
import {
  messagePrefix,
  OK_TRAILERS,
  onlyTrailers,
  RESPONSE_HEADERS,
  trailers,
} from './response.ts';
import {
  ServiceCall,
  type MethodDefinition,
  type ServiceCallSink,
  type ServiceHandler,
  type StatusLike,
} from './service-call.ts';
import { StatusCode, type Status } from './status.ts';
import { CARDINALITY, UNEXPECTED, type CallLimits, type UnaryHead } from './unary-call.ts';

export interface ServiceMethod {
  readonly definition: MethodDefinition;
  readonly handler: ServiceHandler;
}

const QUEUED_BYTES_MAX = 1024 * 1024;
const TIMER_MS_MAX = 0x7fff_ffff;
const CLOSING: Status = { code: StatusCode.unavailable, message: 'The server is closing.' };
const LATE: Status = { code: StatusCode.deadlineExceeded, message: 'The deadline has passed.' };
const TOO_SLOW: Status = {
  code: StatusCode.resourceExhausted,
  message: 'The caller does not read its answers.',
};
const BAD_MESSAGE: Status = {
  code: StatusCode.invalidArgument,
  message: 'The message is not what this method takes.',
};

export class ServiceReceiver implements StreamReceiver, MessageSink, ServiceCallSink {
  readonly endsSoon: boolean;
  readonly #stream: Http2Stream;
  readonly #method: ServiceMethod;
  readonly #limits: CallLimits;
  readonly #reader: MessageReader;
  readonly #call: ServiceCall;
  readonly #deadline: NodeJS.Timeout | undefined;
  #headersSent = false;
  #finished = false;

  constructor(stream: Http2Stream, head: UnaryHead, method: ServiceMethod, limits: CallLimits) {
    this.#stream = stream;
    this.#method = method;
    this.#limits = limits;
    this.endsSoon = !method.definition.requestStream;
    this.#reader = new MessageReader(this, limits.messageBytesMax, limits.budget);
    this.#call = new ServiceCall(head.metadata, this);
    this.#call.on('error', (error: StatusLike) => this.#finish(statusOf(error)));
    if (head.timeoutMs !== undefined) {
      const waitMs = Math.min(head.timeoutMs, TIMER_MS_MAX);
      this.#deadline = setTimeout(() => this.#cancel(LATE), waitMs).unref();
    }
    if (method.definition.requestStream) this.#handle();
  }

  /** The one message of a request waits for its end. */
  get holds(): boolean {
    return !this.#method.definition.requestStream && this.#stream.remoteOpen;
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (!this.#finished) this.#reader.push(bytes, start, end);
  }

  end(): void {
    if (this.#finished) return;
    if (this.#reader.partial) return this.#finish(CARDINALITY);
    if (this.#method.definition.requestStream) return this.#guard(() => this.#call.emit('end'));
    if (this.#call.request === undefined) this.#finish(CARDINALITY);
    else this.#handle();
  }

  reset(): boolean {
    if (this.#finished) return false;
    this.#release();
    this.#call.cancelled = true;
    this.#guard(() => this.#call.emit('cancelled'));
    return false;
  }

  drain(): void {
    const { requestStream, responseStream } = this.#method.definition;
    if (requestStream || responseStream) this.#cancel(CLOSING);
  }

  message(bytes: Buffer): void {
    let value: object;
    try {
      value = this.#method.definition.requestDeserialize(bytes);
    } catch {
      return this.#finish(BAD_MESSAGE);
    }
    if (this.#method.definition.requestStream) {
      this.#guard(() => this.#call.emit('data', value));
      this.#reader.release();
    } else if (this.#call.request === undefined) this.#call.request = value;
    else this.#finish(CARDINALITY);
  }

  refused(status: Status): void {
    this.#cancel(status);
  }

  write(value: object): boolean {
    if (this.#finished) return false;
    const message = this.#method.definition.responseSerialize(value);
    if (!this.#headersSent) this.#stream.sendHeaders(RESPONSE_HEADERS, false);
    this.#headersSent = true;
    this.#stream.sendData(Buffer.concat([messagePrefix(message.length), message]));
    if (this.#stream.queuedBytes > QUEUED_BYTES_MAX) this.#cancel(TOO_SLOW);
    return this.#stream.queuedBytes === 0;
  }

  finishWell(): void {
    this.#finish(undefined);
  }

  #handle(): void {
    this.#reader.release();
    this.#guard(() =>
      this.#method.handler(this.#call, (error, value) => {
        if (error !== null) return this.#finish(statusOf(error));
        if (value !== undefined && value !== null) this.write(value);
        this.#finish(undefined);
      }),
    );
  }

  /** A handler that throws ends its call, not the process: it is another library's. */
  #guard(run: () => unknown): void {
    try {
      run();
    } catch (error) {
      this.#limits.onError(error);
      this.#finish(UNEXPECTED);
    }
  }

  /** Ends the call from this side; the handler is told. */
  #cancel(status: Status): void {
    if (this.#finished) return;
    this.#finish(status);
    this.#call.cancelled = true;
    this.#guard(() => this.#call.emit('cancelled'));
  }

  /** Undefined: OK. */
  #finish(status: Status | undefined): void {
    if (this.#finished) return;
    this.#release();
    if (this.#headersSent) {
      this.#stream.sendTrailers(status === undefined ? OK_TRAILERS : trailers(status));
    } else {
      this.#stream.sendHeaders(onlyTrailers(status ?? OK), true);
    }
  }

  #release(): void {
    this.#finished = true;
    clearTimeout(this.#deadline);
    this.#reader.stop();
  }
}

const OK: Status = { code: StatusCode.ok, message: '' };

function statusOf({ code = StatusCode.unknown, details = '' }: StatusLike): Status {
  return { code, message: details };
}
