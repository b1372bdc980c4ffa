/**
 * One request and its response (RFC 9113, section 5.1). A stream is open from its HEADERS until both sides
 * have ended, or one has reset it.
 *
 * Fields without `#` are the connection's; a receiver uses the methods. They send nothing when the stream
 * is no longer there, so that an answer may come at any time.
 */

/** What a stream's owner is told. Bytes are views that stay valid as long as they are referenced. */
export interface StreamReceiver {
  /** The request is one message: a peer that does not end it is cut off. */
  readonly endsSoon: boolean;
  /** Some bytes of the body. */
  data(bytes: Buffer, start: number, end: number): void;
  /** The peer has sent everything. */
  end(): void;
  /**
   * The stream is no longer there. True when work for it goes on, whose end an answer (which then goes
   * nowhere) will tell: until then it counts as a stream of the connection.
   */
  reset(): boolean;
  /** The server is closing: what lasts until the peer ends it should end now. */
  drain(): void;
}

/** What sends for a stream, under flow control. */
export interface StreamSender {
  answer(
    stream: Http2Stream,
    headers: Buffer,
    prefix: Buffer,
    message: Uint8Array,
    trailers: Buffer,
  ): void;
  sendHeaders(stream: Http2Stream, block: Buffer, endStream: boolean): void;
  sendData(stream: Http2Stream, bytes: Uint8Array): void;
  sendTrailers(stream: Http2Stream, block: Buffer): void;
}

export class Http2Stream {
  readonly id: number;
  /** As `performance.now()` tells it. */
  readonly arrivedMs: number;
  readonly contentLength: number | undefined;
  receiver: StreamReceiver | undefined;
  /** The peer may send. */
  remoteOpen = true;
  /** The last frame of the response has not been sent. */
  localOpen = true;
  /** Counts as a stream in work. */
  working = true;
  /** In the connection's map: neither closed nor reset. */
  alive = true;
  receivedBytes = 0;
  receiveWindow: number;
  sendWindow: number;
  /** Bytes that wait for a window; `queueAt` of the first are sent. */
  queue: Uint8Array[] | undefined;
  queueAt = 0;
  queuedBytes = 0;
  /** Sent when the queue is empty. */
  trailers: Uint8Array | undefined;
  /** When the queue last moved. */
  movedMs = 0;
  readonly #sender: StreamSender;

  constructor(
    request: {
      readonly id: number;
      readonly arrivedMs: number;
      readonly contentLength: number | undefined;
    },
    windows: { readonly receive: number; readonly send: number },
    sender: StreamSender,
  ) {
    this.id = request.id;
    this.arrivedMs = request.arrivedMs;
    this.contentLength = request.contentLength;
    this.receiveWindow = windows.receive;
    this.sendWindow = windows.send;
    this.#sender = sender;
  }

  /** A whole response; the body is `prefix`, which is copied, and `message`, now the stream's. */
  answer(headers: Buffer, prefix: Buffer, message: Uint8Array, trailers: Buffer): void {
    this.#sender.answer(this, headers, prefix, message, trailers);
  }

  /** A response of header fields only, or the first part of a longer one. */
  sendHeaders(block: Buffer, endStream: boolean): void {
    this.#sender.sendHeaders(this, block, endStream);
  }

  /** `bytes` are the stream's from now on. */
  sendData(bytes: Uint8Array): void {
    this.#sender.sendData(this, bytes);
  }

  /** Ends the response behind what is queued. */
  sendTrailers(block: Buffer): void {
    this.#sender.sendTrailers(this, block);
  }
}
