/** A whole request and the way of its answer. Its members are the handler's to keep. */
import { assert } from '@kvstore/std';
import { answerText, type AnswerBody } from './answer.ts';

/** Takes the answers of one connection. */
export interface AnswerSink {
  /** `request` has its answer; those before it may not have theirs. */
  answered(request: Http1Request): void;
}

export class Http1Request {
  readonly method: string;
  /** As it was sent: origin form, printable ASCII, without `#`. */
  readonly target: string;
  /** When its first bytes were read, as `performance.now()` tells it. */
  readonly arrivedMs: number;
  /** A view of what the socket read: at most 64 KiB of its memory besides itself. */
  readonly body: Buffer;
  /** The request behind it on its connection. */
  next: Http1Request | undefined;
  /** Status line, fields of the handler, and length: Latin-1. */
  head = '';
  /** What follows the head: Latin-1 text, or bytes that are long enough to leave by themselves. */
  payload: AnswerBody = '';
  readonly #fields: readonly string[];
  readonly #sink: AnswerSink;

  constructor(
    sink: AnswerSink,
    method: string,
    target: string,
    fields: readonly string[],
    body: Buffer,
    arrivedMs: number,
  ) {
    this.#sink = sink;
    this.method = method;
    this.target = target;
    this.#fields = fields;
    this.body = body;
    this.arrivedMs = arrivedMs;
  }

  get answered(): boolean {
    return this.head !== '';
  }

  /** The value of a field that the edge was told to keep; `name` in lower case. */
  field(name: string): string | undefined {
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }

  /**
   * Answers, once. `fields`: whole lines, each with CRLF, without Content-Length, Date and Connection.
   * `body`: bytes, or text of which every character is one byte; undefined for an answer without a length
   * (204, 304). A HEAD gets the length only.
   */
  respond(status: number, fields: string, body: AnswerBody | undefined): void {
    assert(!this.answered, 'a request was answered twice');
    this.head = answerText(status, fields, body);
    if (body !== undefined && this.method !== 'HEAD') this.payload = body;
    this.#sink.answered(this);
  }
}
