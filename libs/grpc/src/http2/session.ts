/**
 * One connection with its socket: reading and its pauses, time limits, and the two ways to an end.
 *
 *   open ── drain() ──► draining ── nothing left ──► ended ── socket closed ──► closed
 *     └─── an error of the peer, or a time limit ────┘
 *
 * Draining follows RFC 9113, section 6.8: GOAWAY that refuses nothing, and when the peer has answered a
 * PING behind it, GOAWAY with the last stream. After the end, bytes of the peer are read and dropped for a
 * moment: closing at once would reset the connection before the peer has read GOAWAY.
 */
import type { Duplex } from 'node:stream';
import { HpackError } from '../hpack/hpack-error.ts';
import { Http2Connection, type RequestHandler } from './connection.ts';
import { FrameParser } from './frame-parser.ts';
import type { Http2Limits } from './limits.ts';
import { Output } from './output.ts';
import {
  ConnectionError,
  ErrorCode,
  FrameType,
  SettingId,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './protocol.ts';
import { encodeSettings } from './settings.ts';

export interface SessionOwner {
  /** `flush` has to be called at the end of the turn. */
  scheduleFlush(session: Http2Session): void;
  closed(session: Http2Session): void;
}

type State = 'open' | 'draining' | 'ended' | 'closed';

const KEEPALIVE = Buffer.from('keepaliv', 'latin1');
const DRAIN = Buffer.from('drain...', 'latin1');
/** A peer that does not answer the PING of a drain gets the final GOAWAY after it. */
const DRAIN_PING_MS_MAX = 1_000;

export class Http2Session {
  readonly #socket: Duplex;
  readonly #owner: SessionOwner;
  readonly #limits: Http2Limits;
  readonly #output: Output;
  readonly #parser: FrameParser;
  readonly #connection: Http2Connection;
  readonly #openedMs: number;
  #state: State = 'open';
  #heardMs: number;
  #pingedMs: number | undefined;
  #drainedMs = 0;
  #refuses = false;
  #endedMs = 0;
  #paused = false;

  constructor(
    socket: Duplex,
    handler: RequestHandler<unknown>,
    limits: Http2Limits,
    owner: SessionOwner,
  ) {
    const nowMs = performance.now();
    this.#socket = socket;
    this.#owner = owner;
    this.#limits = limits;
    this.#openedMs = nowMs;
    this.#heardMs = nowMs;
    this.#output = new Output(socket, () => owner.scheduleFlush(this));
    const onPingAck = (payload: Buffer): void => this.#pingAnswered(payload);
    const output = this.#output;
    this.#connection = new Http2Connection({ limits, handler, output, nowMs, onPingAck });
    this.#parser = new FrameParser(this.#connection.frame);
    this.#greet();
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('end', () => socket.end());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  /** Writes what the turn has made. */
  flush(): void {
    this.#output.flush();
    if (this.#state === 'draining') this.#maybeEnd();
    if (!this.#paused && this.#output.waitingBytes > this.#limits.outputBytesMax) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  /** Lets streams end and takes no more. */
  drain(): void {
    if (this.#state !== 'open') return;
    this.#state = 'draining';
    this.#drainedMs = performance.now();
    if (!this.#connection.settingsSeen) {
      this.#refuse();
      return this.#end();
    }
    this.#goaway(WINDOW_MAX, ErrorCode.noError, '');
    this.#output.frame(FrameType.ping, 0, 0, DRAIN);
    this.#connection.drainStreams();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Called about once a second. */
  tick(nowMs: number): void {
    this.#connection.nowMs = nowMs;
    const { handshakeMsMax, idleMsMax, lingerMsMax } = this.#limits;
    if (this.#state === 'ended') {
      if (nowMs - this.#endedMs > lingerMsMax) this.destroy();
      return;
    }
    if (!this.#connection.settingsSeen) {
      if (nowMs - this.#openedMs > handshakeMsMax) this.destroy();
      return;
    }
    this.#connection.dropStalled();
    this.#keepAlive(nowMs);
    if (this.#state === 'draining') {
      if (nowMs - this.#drainedMs > DRAIN_PING_MS_MAX) this.#refuse();
      this.#maybeEnd();
    } else if (this.#connection.streamCount === 0) {
      if (nowMs - this.#connection.idleSinceMs > idleMsMax) this.drain();
    }
  }

  #greet(): void {
    const { streamsMax, streamWindowBytes, headerListBytesMax, connectionWindowBytes } =
      this.#limits;
    const settings = encodeSettings([
      [SettingId.maxConcurrentStreams, streamsMax],
      [SettingId.initialWindowSize, streamWindowBytes],
      [SettingId.maxHeaderListSize, headerListBytesMax],
    ]);
    this.#output.frame(FrameType.settings, 0, 0, settings);
    const more = Buffer.alloc(4);
    more.writeUInt32BE(connectionWindowBytes - WINDOW_DEFAULT);
    this.#output.frame(FrameType.windowUpdate, 0, 0, more);
  }

  #read(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    const nowMs = performance.now();
    this.#heardMs = nowMs;
    this.#pingedMs = undefined;
    this.#connection.nowMs = nowMs;
    try {
      this.#parser.push(chunk);
      this.#connection.pump();
    } catch (error) {
      if (error instanceof ConnectionError) this.#fail(error.code, error.message);
      else if (error instanceof HpackError) this.#fail(ErrorCode.compressionError, error.message);
      else throw error;
    }
  }

  #fail(code: ErrorCode, message: string): void {
    this.#goaway(this.#connection.lastId, code, message);
    this.#end();
  }

  /** Of the socket: a slow reader is still a reader. */
  #drained(): void {
    const nowMs = performance.now();
    this.#heardMs = nowMs;
    this.#connection.nowMs = nowMs;
    this.#output.drained();
    this.#connection.pump();
    if (this.#state === 'draining') this.#maybeEnd();
    if (!this.#paused || this.#output.waitingBytes > this.#limits.outputBytesMax) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #keepAlive(nowMs: number): void {
    const { keepaliveMs, keepaliveTimeoutMs } = this.#limits;
    if (this.#pingedMs !== undefined) {
      if (nowMs - this.#pingedMs > keepaliveTimeoutMs) this.destroy();
    } else if (nowMs - this.#heardMs > keepaliveMs) {
      this.#pingedMs = nowMs;
      this.#output.frame(FrameType.ping, 0, 0, KEEPALIVE);
    }
  }

  #pingAnswered(payload: Buffer): void {
    if (this.#state === 'draining' && payload.equals(DRAIN)) this.#refuse();
  }

  /** From now on streams are refused; the peer knows which. */
  #refuse(): void {
    if (this.#refuses) return;
    this.#refuses = true;
    this.#connection.takeNoMore();
    this.#goaway(this.#connection.lastId, ErrorCode.noError, '');
  }

  /** Not while answers wait for a peer that reads late: what lingers is cut soon. */
  #maybeEnd(): void {
    if (!this.#refuses || this.#connection.streamCount > 0) return;
    if (this.#output.waitingBytes === 0) this.#end();
  }

  #end(): void {
    if (this.#state === 'ended' || this.#state === 'closed') return;
    this.#state = 'ended';
    this.#endedMs = performance.now();
    this.#parser.stop();
    this.#output.flush();
    this.#connection.dropAll();
    this.#socket.resume();
    this.#socket.end();
  }

  #closed(): void {
    this.#state = 'closed';
    this.#parser.stop();
    this.#connection.dropAll();
    this.#owner.closed(this);
  }

  #goaway(lastId: number, code: ErrorCode, message: string): void {
    const payload = Buffer.alloc(8 + message.length);
    payload.writeUInt32BE(lastId, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(message, 8, 'latin1');
    this.#output.frame(FrameType.goaway, 0, 0, payload);
  }
}
