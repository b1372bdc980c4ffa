/**
 * The server's side of one HTTP/2 connection (RFC 9113): what each frame does, stream states, and the two
 * kinds of errors. What is sent under flow control is `Sender`'s, bytes on the way out are `Output`'s,
 * the socket and the time limits are `Http2Session`'s.
 *
 * Invariants
 *   1. `#streams` holds the open streams; ids only grow, a closed one never comes back
 *   2. streams that are open, and streams in work, are at most `streamsMax`
 * A connection error is thrown (`ConnectionError`, `HpackError`) and ends in GOAWAY; a stream error is
 * RST_STREAM at once. A frame that is useful costs nothing, any other is paid from a budget, and so is
 * every reset that the peer provokes.
 */
import { encodeHeaders } from '../hpack/header-encoder.ts';
import type { HeaderField } from '../hpack/static-table.ts';
import { ClosedStreams } from './closed-streams.ts';
import { HeaderBlock } from './header-block.ts';
import type { Http2Limits } from './limits.ts';
import type { Output } from './output.ts';
import { ConnectionError, ErrorCode, Flag, FrameType, WINDOW_MAX } from './protocol.ts';
import { type Head, RequestHeads } from './request-heads.ts';
import { Sender, type SenderHost } from './sender.ts';
import { PeerSettings } from './settings.ts';
import { Http2Stream, type StreamReceiver } from './stream.ts';
import { TokenBucket } from './token-bucket.ts';

export interface RequestHandler<Request> {
  /** Immutable, and of the fields only: it is shared by requests with the same header block. */
  interpret(fields: readonly HeaderField[]): Request;
  /** The stream may be answered at once. */
  open(stream: Http2Stream, request: Request): StreamReceiver;
}

/** Each stream gives this many idle frames back to the budget. */
const IDLE_FRAMES_PER_STREAM = 2;
const TOO_LARGE = encodeHeaders([{ name: ':status', value: '431' }]);

export class Http2Connection<Request = unknown> implements SenderHost {
  /** Time of what is being done; set by the session. */
  nowMs: number;
  /** When the last stream closed. */
  idleSinceMs: number;
  readonly #limits: Http2Limits;
  readonly #handler: RequestHandler<Request>;
  readonly #output: Output;
  readonly #sender: Sender;
  readonly #heads: RequestHeads<Request>;
  readonly #block: HeaderBlock;
  readonly #peer = new PeerSettings();
  readonly #streams = new Map<number, Http2Stream>();
  readonly #closed = new ClosedStreams();
  readonly #resets: TokenBucket;
  readonly #idleFrames: TokenBucket;
  readonly #onPingAck: (payload: Buffer) => void;
  /** The stream of the last frame: DATA mostly follows its HEADERS. */
  #recent: Http2Stream | undefined;
  #lastId = 0;
  #working = 0;
  #receiveWindow: number;
  #settingsSeen = false;
  /** Streams above are not taken: GOAWAY said so. */
  #idMax = WINDOW_MAX;

  constructor(options: {
    readonly limits: Http2Limits;
    readonly handler: RequestHandler<Request>;
    readonly output: Output;
    readonly nowMs: number;
    readonly onPingAck: (payload: Buffer) => void;
  }) {
    const { limits, handler, nowMs } = options;
    this.#limits = limits;
    this.#handler = handler;
    this.#output = options.output;
    this.#onPingAck = options.onPingAck;
    this.nowMs = nowMs;
    this.idleSinceMs = nowMs;
    this.#sender = new Sender(options.output, this);
    this.#heads = new RequestHeads(limits.headerListBytesMax, (fields) =>
      handler.interpret(fields),
    );
    this.#block = new HeaderBlock(limits);
    this.#resets = new TokenBucket(limits.resetBurst, limits.resetsPerSecond, nowMs);
    this.#idleFrames = new TokenBucket(limits.idleFrameBurst, limits.idleFramesPerSecond, nowMs);
    this.#receiveWindow = limits.connectionWindowBytes;
  }

  get settingsSeen(): boolean {
    return this.#settingsSeen;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get lastId(): number {
    return this.#lastId;
  }

  /** Later streams are refused. */
  takeNoMore(): void {
    this.#idMax = this.#lastId;
  }

  /** One frame of the peer; throws `ConnectionError` and `HpackError`. */
  readonly frame = (
    type: number,
    flags: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void => {
    if (this.#block.streamId !== 0 && type !== FrameType.continuation) {
      throw protocolError('a frame within a header block');
    }
    if (!this.#settingsSeen && type !== FrameType.settings) throw protocolError('no SETTINGS');
    switch (type) {
      case FrameType.data:
        return this.#data(flags, id, bytes, start, end);
      case FrameType.headers:
        return this.#headers(flags, id, bytes, start, end);
      case FrameType.windowUpdate:
        return this.#windowUpdate(id, bytes, start, end);
      case FrameType.rstStream:
        return this.#rstStream(id, start, end);
      case FrameType.settings:
        return this.#settings(flags, id, bytes, start, end);
      case FrameType.ping:
        return this.#ping(flags, id, bytes, start, end);
      case FrameType.continuation:
        return this.#continuation(flags, id, bytes, start, end);
      case FrameType.goaway:
        if (id !== 0) throw protocolError('GOAWAY of a stream');
        if (end - start < 8) throw frameSizeError('GOAWAY');
        return this.#payIdle();
      case FrameType.pushPromise:
        throw protocolError('PUSH_PROMISE of a client');
      case FrameType.priority:
        if (id === 0) throw protocolError('PRIORITY of no stream');
        if (end - start !== 5) throw frameSizeError('PRIORITY');
        return this.#payIdle();
      default:
        return this.#payIdle();
    }
  };

  localEnded(stream: Http2Stream): void {
    if (stream.remoteOpen) {
      this.#closed.add(stream.id);
      this.#writeReset(stream.id, ErrorCode.noError);
    }
    this.#close(stream);
  }

  workEnded(stream: Http2Stream): void {
    if (!stream.working) return;
    stream.working = false;
    this.#working--;
  }

  /** Windows have moved, or the socket can take more. */
  pump(): void {
    this.#sender.pump();
  }

  /** The connection is gone. */
  dropAll(): void {
    for (const stream of this.#streams.values()) this.#drop(stream);
  }

  /** The server is closing. */
  drainStreams(): void {
    for (const stream of this.#streams.values()) stream.receiver?.drain();
  }

  /** Resets what has not moved for too long. */
  dropStalled(): void {
    const beforeMs = this.nowMs - this.#limits.stalledMsMax;
    for (const stream of this.#streams.values()) {
      const waits = stream.remoteOpen && stream.receiver?.endsSoon === true;
      if (waits && stream.arrivedMs < beforeMs) this.#resetStream(stream, ErrorCode.cancel);
    }
    for (const stream of this.#sender.stalled(beforeMs)) {
      this.#resetStream(stream, ErrorCode.cancel);
    }
  }

  #data(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    this.#received(end - start);
    const stream = this.#existing(id, 'DATA');
    let [from, to] = [start, end];
    if ((flags & Flag.padded) !== 0) {
      to = end - paddingOf(bytes, start, end);
      from = start + 1;
    }
    if (stream === undefined || !stream.remoteOpen) return this.#afterEnd(id, stream, from < to);
    stream.receiveWindow -= end - start;
    if (stream.receiveWindow < 0) return this.#streamError(stream, ErrorCode.flowControlError);
    stream.receivedBytes += to - from;
    const last = (flags & Flag.endStream) !== 0;
    // Why first: a receiver that refuses these bytes has nothing left to reset.
    if (last) stream.remoteOpen = false;
    if (from < to) stream.receiver?.data(bytes, from, to);
    else if (!last) this.#payIdle();
    if (last) this.#remoteEnded(stream);
    else if (stream.alive) this.#widen(stream);
  }

  #remoteEnded(stream: Http2Stream): void {
    stream.remoteOpen = false;
    if (!stream.alive) return;
    const { contentLength, receivedBytes } = stream;
    if (contentLength !== undefined && contentLength !== receivedBytes) {
      return this.#streamError(stream, ErrorCode.protocolError);
    }
    stream.receiver?.end();
  }

  #headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if ((id & 1) === 0) throw protocolError('HEADERS of no stream of a client');
    let [from, to] = [start, end];
    if ((flags & Flag.padded) !== 0) {
      to = end - paddingOf(bytes, start, end);
      from = start + 1;
    }
    if ((flags & Flag.priority) !== 0) {
      from += 5;
      if (from > to) throw frameSizeError('HEADERS');
    }
    const last = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) === 0) this.#block.begin(id, last, bytes.subarray(from, to));
    else this.#headerBlock(id, last, bytes, from, to);
  }

  #continuation(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw protocolError('CONTINUATION of no stream');
    const { endStream } = this.#block;
    this.#block.add(id, bytes.subarray(start, end));
    if ((flags & Flag.endHeaders) === 0) return;
    const block = this.#block.finish();
    this.#headerBlock(id, endStream, block, 0, block.length);
  }

  #headerBlock(id: number, last: boolean, bytes: Buffer, start: number, end: number): void {
    if (id > this.#lastId) {
      this.#lastId = id;
      const head = this.#heads.decode(bytes, start, end);
      if (id > this.#idMax) return this.#refuse(id, last, ErrorCode.refusedStream);
      return this.#request(id, last, head);
    }
    const good = this.#heads.decodeTrailers(bytes, start, end);
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.remoteOpen) {
      if (stream === undefined && !this.#closed.has(id)) {
        throw new ConnectionError(ErrorCode.streamClosed, 'HEADERS of a closed stream');
      }
      return this.#afterEnd(id, stream, false);
    }
    if (good && last) this.#remoteEnded(stream);
    else this.#streamError(stream, ErrorCode.protocolError);
  }

  #request(id: number, last: boolean, head: Head<Request>): void {
    if (head.kind === 'malformed') return this.#refuse(id, last, ErrorCode.protocolError);
    if (head.kind === 'too-large') {
      this.#output.frame(FrameType.headers, Flag.endHeaders | Flag.endStream, id, TOO_LARGE);
      return last ? this.#payIdle() : this.#refuse(id, last, ErrorCode.noError);
    }
    const { streamsMax, streamWindowBytes, queuedBytesMax } = this.#limits;
    const full = this.#streams.size >= streamsMax || this.#working >= streamsMax;
    if (full || this.#sender.queuedBytes > queuedBytesMax) {
      return this.#refuse(id, last, ErrorCode.refusedStream);
    }
    const { initialWindow } = this.#peer;
    const { contentLength, request } = head;
    const stream = new Http2Stream(
      { id, arrivedMs: this.nowMs, contentLength },
      { receive: streamWindowBytes, send: initialWindow },
      this.#sender,
    );
    stream.remoteOpen = !last;
    this.#streams.set(id, stream);
    this.#recent = stream;
    this.#working++;
    this.#idleFrames.giveBack(IDLE_FRAMES_PER_STREAM);
    stream.receiver = this.#handler.open(stream, request);
    if (last) this.#remoteEnded(stream);
  }

  /** Answers a request that is not looked at. */
  #refuse(id: number, last: boolean, code: ErrorCode): void {
    this.#payIdle();
    if (!last) this.#closed.add(id);
    this.#writeReset(id, code);
  }

  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw frameSizeError('WINDOW_UPDATE');
    const increment = bytes.readUInt32BE(start) & WINDOW_MAX;
    if (id === 0) {
      if (increment === 0) throw protocolError('a WINDOW_UPDATE of 0');
      return this.#sender.widenConnection(increment);
    }
    const stream = this.#existing(id, 'WINDOW_UPDATE');
    if (stream === undefined) return;
    if (increment === 0) return this.#streamError(stream, ErrorCode.protocolError);
    if (!this.#sender.widenStream(stream, increment)) {
      this.#streamError(stream, ErrorCode.flowControlError);
    }
  }

  #rstStream(id: number, start: number, end: number): void {
    if (end - start !== 4) throw frameSizeError('RST_STREAM');
    const stream = this.#existing(id, 'RST_STREAM');
    if (stream === undefined) return this.#payIdle();
    this.#payReset();
    this.#drop(stream);
  }

  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError('SETTINGS of a stream');
    const ack = (flags & Flag.ack) !== 0;
    if (ack) {
      if (end !== start) throw frameSizeError('an acknowledgement of SETTINGS');
      if (!this.#settingsSeen) throw protocolError('no SETTINGS');
      return this.#payIdle();
    }
    this.#settingsSeen = true;
    this.#payIdle();
    const before = this.#peer.initialWindow;
    this.#peer.apply(bytes, start, end);
    const change = this.#peer.initialWindow - before;
    if (change !== 0) {
      for (const stream of this.#streams.values()) {
        if (!this.#sender.widenStream(stream, change)) {
          throw new ConnectionError(ErrorCode.flowControlError, 'a window above 2^31-1');
        }
      }
    }
    this.#output.frame(FrameType.settings, Flag.ack, 0, NOTHING);
  }

  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw protocolError('PING of a stream');
    if (end - start !== 8) throw frameSizeError('PING');
    this.#payIdle();
    const payload = bytes.subarray(start, end);
    if ((flags & Flag.ack) !== 0) this.#onPingAck(payload);
    else this.#output.frame(FrameType.ping, Flag.ack, 0, payload);
  }

  /** The stream with this id, undefined when it is closed. */
  #existing(id: number, what: string): Http2Stream | undefined {
    const recent = this.#recent;
    if (recent?.id === id) return recent;
    if (id > this.#lastId || (id & 1) === 0) throw protocolError(`${what} of an idle stream`);
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.#recent = stream;
    return stream;
  }

  /** DATA or HEADERS behind the end; of a body that was under way when this side ended, bytes are free. */
  #afterEnd(id: number, stream: Http2Stream | undefined, hasBytes: boolean): void {
    if (stream !== undefined) return this.#streamError(stream, ErrorCode.streamClosed);
    const endedHere = this.#closed.has(id);
    if (!endedHere || !hasBytes) this.#payIdle();
    if (!endedHere) this.#writeReset(id, ErrorCode.streamClosed);
  }

  /** Bytes are consumed when they come: what is held of them, `BufferBudget` bounds. */
  #received(count: number): void {
    this.#receiveWindow -= count;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(ErrorCode.flowControlError, 'DATA beyond the window');
    }
    const size = this.#limits.connectionWindowBytes;
    if (this.#receiveWindow >= size >>> 1) return;
    this.#writeWindowUpdate(0, size - this.#receiveWindow);
    this.#receiveWindow = size;
  }

  #widen(stream: Http2Stream): void {
    const size = this.#limits.streamWindowBytes;
    if (stream.receiveWindow >= size >>> 1) return;
    this.#writeWindowUpdate(stream.id, size - stream.receiveWindow);
    stream.receiveWindow = size;
  }

  /** An error of the peer. */
  #streamError(stream: Http2Stream, code: ErrorCode): void {
    this.#payReset();
    this.#resetStream(stream, code);
  }

  #resetStream(stream: Http2Stream, code: ErrorCode): void {
    if (stream.remoteOpen) this.#closed.add(stream.id);
    this.#writeReset(stream.id, code);
    this.#drop(stream);
  }

  #drop(stream: Http2Stream): void {
    this.#sender.forget(stream);
    this.#close(stream);
    if (stream.receiver?.reset() !== true) this.workEnded(stream);
  }

  #close(stream: Http2Stream): void {
    stream.alive = false;
    this.#streams.delete(stream.id);
    if (this.#recent === stream) this.#recent = undefined;
    this.idleSinceMs = this.nowMs;
  }

  #payReset(): void {
    this.#pay(this.#resets, 'streams that are reset');
  }

  #payIdle(): void {
    this.#pay(this.#idleFrames, 'frames of no use');
  }

  #pay(budget: TokenBucket, what: string): void {
    if (budget.take(this.nowMs)) return;
    throw new ConnectionError(ErrorCode.enhanceYourCalm, `too many ${what}`);
  }

  #writeReset(id: number, code: ErrorCode): void {
    this.#output.frame(FrameType.rstStream, 0, id, uint32(code));
  }

  #writeWindowUpdate(id: number, increment: number): void {
    this.#output.frame(FrameType.windowUpdate, 0, id, uint32(increment));
  }
}

const NOTHING = Buffer.alloc(0);

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Checks that the padding leaves room for its own length. */
function paddingOf(bytes: Buffer, start: number, end: number): number {
  const length = start < end ? (bytes[start] as number) : end;
  if (length >= end - start) throw protocolError('padding longer than its frame');
  return length;
}

function protocolError(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocolError, message);
}

function frameSizeError(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.frameSizeError, `${what} of a wrong size`);
}
