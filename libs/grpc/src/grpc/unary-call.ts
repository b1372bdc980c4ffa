/**
 * A call with one request and one response message: the fast path. The message is a view of what the
 * socket read whenever it came in one piece with the end of the stream, and the response is written with
 * its headers and trailers at once; there is no promise, emitter or stream.
 *
 * Invariants
 *   1. the handler is called at most once, when the whole request is there
 *   2. the caller is answered once: by the handler, or by a refusal before it was called
 */
import { assert } from '@kvstore/std';
import type { Http2Stream, StreamReceiver } from '../http2/stream.ts';
import { MessageReader, tooLarge, type BufferBudget, type MessageSink } from './message-reader.ts';
import type { Metadata } from './metadata.ts';
import {
  messagePrefix,
  OK_TRAILERS,
  onlyTrailers,
  PREFIX_BYTES,
  RESPONSE_HEADERS,
} from './response.ts';
import { StatusCode, type Status } from './status.ts';

/** `message` is the handler's; it keeps at most 64 KiB of the socket's memory besides itself. */
export type UnaryHandler = (message: Buffer, call: UnaryCall) => void;

export interface CallLimits {
  readonly messageBytesMax: number;
  readonly budget: BufferBudget;
  /** A handler threw. */
  readonly onError: (error: unknown) => void;
}

export interface UnaryHead {
  readonly timeoutMs: number | undefined;
  readonly metadata: Metadata;
}

export const CARDINALITY: Status = {
  code: StatusCode.unimplemented,
  message: 'The method takes exactly one message.',
};
export const UNEXPECTED: Status = { code: StatusCode.internal, message: 'An unexpected error.' };

export class UnaryCall implements StreamReceiver, MessageSink {
  readonly endsSoon = true;
  readonly #stream: Http2Stream;
  readonly #head: UnaryHead;
  readonly #handler: UnaryHandler;
  readonly #limits: CallLimits;
  #reader: MessageReader | undefined;
  #message: Buffer | undefined;
  #called = false;
  #answered = false;
  #cancelled = false;

  constructor(stream: Http2Stream, head: UnaryHead, handler: UnaryHandler, limits: CallLimits) {
    this.#stream = stream;
    this.#head = head;
    this.#handler = handler;
    this.#limits = limits;
  }

  /** When its header fields came, as `performance.now()` tells it. */
  get arrivedMs(): number {
    return this.#stream.arrivedMs;
  }

  /** From the arrival; undefined when the caller set no limit. */
  get timeoutMs(): number | undefined {
    return this.#head.timeoutMs;
  }

  get metadata(): Metadata {
    return this.#head.metadata;
  }

  /** The caller no longer waits; an answer goes nowhere, but is still due. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** `message` is the call's from now on. */
  respond(message: Uint8Array): void {
    const { messageBytesMax } = this.#limits;
    if (message.length > messageBytesMax) {
      return this.fail(tooLarge('response', message.length, messageBytesMax));
    }
    this.#answer();
    const prefix = messagePrefix(message.length);
    this.#stream.answer(RESPONSE_HEADERS, prefix, message, OK_TRAILERS);
  }

  fail(status: Status): void {
    this.#answer();
    this.#stream.sendHeaders(onlyTrailers(status), true);
  }

  /** A message waits for the end of its stream. */
  get holds(): boolean {
    return this.#stream.remoteOpen;
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#answered) return;
    if (this.#reader === undefined && !this.#stream.remoteOpen) {
      if (this.#isWhole(bytes, start, end)) {
        this.#message = bytes.subarray(start + PREFIX_BYTES, end);
        return;
      }
    }
    const { messageBytesMax, budget } = this.#limits;
    this.#reader ??= new MessageReader(this, messageBytesMax, budget);
    this.#reader.push(bytes, start, end);
  }

  end(): void {
    if (this.#answered) return;
    const message = this.#message;
    if (message === undefined || this.#reader?.partial === true) return this.refused(CARDINALITY);
    this.#message = undefined;
    this.#reader?.release();
    this.#called = true;
    try {
      this.#handler(message, this);
    } catch (error) {
      this.#limits.onError(error);
      if (!this.#answered) this.fail(UNEXPECTED);
    }
  }

  reset(): boolean {
    this.#cancelled = true;
    this.#reader?.stop();
    return this.#called && !this.#answered;
  }

  drain(): void {
    // It ends by itself.
  }

  message(bytes: Buffer): void {
    if (this.#message === undefined) this.#message = bytes;
    else this.refused(CARDINALITY);
  }

  refused(status: Status): void {
    this.#reader?.stop();
    if (!this.#answered) this.fail(status);
  }

  #isWhole(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start - PREFIX_BYTES;
    return (
      length >= 0 &&
      bytes[start] === 0 &&
      bytes.readUInt32BE(start + 1) === length &&
      length <= this.#limits.messageBytesMax
    );
  }

  #answer(): void {
    assert(!this.#answered, 'a call was answered twice');
    this.#answered = true;
  }
}
