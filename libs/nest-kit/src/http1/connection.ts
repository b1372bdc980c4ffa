/**
 * One connection: requests in, answers out in their order, and the ways to an end.
 *
 *   open ── something unusual ──► leaving ── all is answered ──► gone: handed over
 *     ├──── drain(), and the last answer is written ───────────► ending ──► gone: closed
 *     └──── the peer ends, or says nothing within a request ───► ending
 *
 * Invariants
 *   1. bytes are read as a request once, here or by the server that takes over, and in their order
 *   2. it is handed over at the start of a request, when every earlier one has its answer written
 *   3. answers leave in the order of their requests; those that are there at the end of a turn, in one write
 *   4. what it holds is bounded: requests without an answer, parts of a request, answers that the peer does
 *      not take; above that the socket is not read
 *   5. no request is taken behind an answer that says it is the last one (RFC 9112, 9.6)
 */
import type { Socket } from 'node:net';
import { assert } from '@kvstore/std';
import type { HeadParser } from './head-parser.ts';
import type { Http1Limits } from './limits.ts';
import { Http1Request, type AnswerSink } from './request.ts';

/** Why a request ends before it was whole, as Node's parser names it. */
export type RefusalCode = 'ERR_HTTP_REQUEST_TIMEOUT' | 'HPE_INVALID_EOF_STATE';

/** What connections share. */
export interface ConnectionOwner {
  readonly limits: Http1Limits;
  readonly head: HeadParser;
  readonly serves: (target: string) => boolean;
  readonly handler: (request: Http1Request) => void;
  /** The last lines of a head. */
  ends(last: boolean): string;
  /** `flush` has to be called at the end of the turn. */
  scheduleFlush(connection: Http1Connection): void;
  /** The socket is the other server's; what was not read is unshifted. */
  handOver(connection: Http1Connection, socket: Socket): void;
  /** Answers and ends the socket. */
  refuse(code: RefusalCode, socket: Socket): void;
  closed(connection: Http1Connection): void;
}

type State = 'open' | 'leaving' | 'ending' | 'gone';

/** Bodies up to this size are joined with their heads, and with other answers. */
const JOINED_BYTES_MAX = 8 * 1024;
/** For the peer to read why it was refused: closing at once would reset the connection before. */
const LINGER_MS = 1_000;
/** On top of what the peer was told, as Node has it, so that its next request does not meet the end. */
const IDLE_MARGIN_MS = 1_000;
const NOTHING = Buffer.alloc(0);

export class Http1Connection implements AnswerSink {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  #state: State = 'open';
  /** The oldest and the newest of the requests that have no answer written. */
  #first: Http1Request | undefined;
  #last: Http1Request | undefined;
  #unanswered = 0;
  /** Of the request that is not whole yet. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** How many bytes it has at least. */
  #needBytes = 0;
  #headReads = 0;
  #output = '';
  #scheduled = false;
  #draining = false;
  #peerEnded = false;
  #heard = false;
  /** When the first bytes came of what is read. */
  #readMs: number;
  /** Since when nothing has happened. */
  #quietMs: number;
  #stalledBytes = 0;

  constructor(socket: Socket, owner: ConnectionOwner, nowMs: number) {
    this.#socket = socket;
    this.#owner = owner;
    this.#readMs = nowMs;
    this.#quietMs = nowMs;
    socket.on('data', this.#onData).on('drain', this.#onDrain).on('end', this.#onEnd);
    socket.on('error', this.#onError).on('close', this.#onClose);
  }

  /** Ends the connection when what is under way is answered. */
  drain(): void {
    this.#draining = true;
    if (this.#state === 'open' && this.#idle) this.#end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Writes what the turn has made. */
  flush(nowMs: number): void {
    this.#scheduled = false;
    if (this.#state === 'gone') return;
    this.#quietMs = nowMs;
    if (this.#output !== '') {
      this.#socket.write(this.#output, 'latin1');
      this.#output = '';
    }
    if (this.#state === 'ending') this.#socket.destroySoon();
    else this.#proceed();
  }

  tick(nowMs: number): void {
    const { idleMsMax, firstByteMsMax, tickMs } = this.#owner.limits;
    const quietMs = nowMs - this.#quietMs;
    if (this.#unanswered > 0 || this.#scheduled) return;
    if (this.#socket.writableLength > 0) this.#tickStalled(nowMs, quietMs > idleMsMax);
    else if (this.#state === 'ending') {
      if (quietMs > LINGER_MS) this.destroy();
    } else if (this.#partBytes > 0) {
      if (nowMs - this.#readMs > tickMs) this.#leave(this.#takeParts());
    } else if (!this.#heard) {
      if (quietMs > firstByteMsMax) this.#refuse('ERR_HTTP_REQUEST_TIMEOUT');
    } else if (quietMs > idleMsMax + IDLE_MARGIN_MS) this.destroy();
  }

  // --- requests -----------------------------------------------------------------------------------

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state === 'ending') return;
    assert(this.#state === 'open', 'a paused socket gave data');
    const nowMs = performance.now();
    this.#heard = true;
    this.#quietMs = nowMs;
    if (this.#partBytes === 0) {
      this.#readMs = nowMs;
      this.#read(chunk);
      return;
    }
    this.#parts.push(chunk);
    this.#partBytes += chunk.length;
    if (this.#partBytes >= this.#needBytes) this.#read(this.#takeParts());
    else if (this.#parts.length === this.#owner.limits.requestReadsMax) {
      this.#leave(this.#takeParts());
    }
  };

  #takeParts(): Buffer {
    const bytes = Buffer.concat(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    return bytes;
  }

  /** Takes all whole requests of `bytes`. */
  #read(bytes: Buffer): void {
    const { head } = this.#owner;
    let at = 0;
    // Why: an answer given at once may have been the last one, and nothing is taken behind that.
    while (at < bytes.length && this.#state === 'open') {
      if (this.#busy) return this.#hold(bytes.subarray(at));
      const verdict = head.parse(bytes, at);
      if (verdict === 'partial') return this.#keepHead(bytes.subarray(at));
      if (verdict === 'unusual' || !this.#owner.serves(head.target)) {
        return this.#leave(bytes.subarray(at));
      }
      const bodyAt = at + head.headBytes;
      const end = bodyAt + head.bodyBytes;
      if (end > bytes.length) return this.#keepPart(bytes.subarray(at), end - at);
      this.#headReads = 0;
      this.#take(head.bodyBytes === 0 ? NOTHING : bytes.subarray(bodyAt, end));
      at = end;
    }
  }

  #keepHead(part: Buffer): void {
    this.#headReads++;
    if (this.#headReads === this.#owner.limits.headReadsMax) this.#leave(part);
    else this.#keepPart(part, 0);
  }

  #keepPart(part: Buffer, needBytes: number): void {
    this.#parts.push(part);
    this.#partBytes = part.length;
    this.#needBytes = needBytes;
  }

  #take(body: Buffer): void {
    const { method, target, fields } = this.#owner.head;
    const request = new Http1Request(this, method, target, fields, body, this.#readMs);
    if (this.#last === undefined) this.#first = request;
    else this.#last.next = request;
    this.#last = request;
    this.#unanswered++;
    this.#owner.handler(request);
  }

  get #busy(): boolean {
    const { pipelineMax, outputBytesMax } = this.#owner.limits;
    if (this.#unanswered >= pipelineMax) return true;
    return this.#output.length + this.#socket.writableLength > outputBytesMax;
  }

  /** From the start of a request on, bytes go back: the end of the peer's half stays behind them. */
  #hold(unread: Buffer): void {
    this.#socket.pause();
    this.#socket.unshift(unread);
  }

  get #held(): boolean {
    return this.#socket.isPaused();
  }

  // --- answers ------------------------------------------------------------------------------------

  answered(request: Http1Request): void {
    if (this.#state === 'gone') return;
    let first = this.#first;
    if (request !== first) return;
    while (first?.answered === true) {
      const next: Http1Request | undefined = first.next;
      // Why: an old request must not keep alive all that came later.
      first.next = undefined;
      this.#unanswered--;
      this.#first = next;
      this.#write(first);
      first = next;
    }
    if (first === undefined) this.#last = undefined;
  }

  #write({ head, payload }: Http1Request): void {
    const last = this.#draining && this.#state === 'open' && this.#nothingToDo;
    if (last) this.#state = 'ending';
    const text = this.#output + head + this.#owner.ends(last);
    if (typeof payload === 'string') this.#output = text + payload;
    else if (payload.length <= JOINED_BYTES_MAX) this.#output = text + latin1(payload);
    else this.#writeApart(text, payload);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#owner.scheduleFlush(this);
  }

  #writeApart(text: string, payload: Uint8Array): void {
    this.#output = '';
    this.#socket.cork();
    this.#socket.write(text, 'latin1');
    this.#socket.write(payload);
    this.#socket.uncork();
  }

  /** What waited for answers to be written, or for the peer to take them. */
  #proceed(): void {
    if (this.#state === 'open' && this.#held) {
      if (!this.#busy) this.#socket.resume();
    } else if (this.#unanswered > 0 || this.#output !== '') return;
    else if (this.#state === 'leaving') this.#handOver();
    else if (this.#peerEnded) this.#endWithPeer();
    else if (this.#draining && this.#nothingToDo) this.#end();
  }

  // --- ends ---------------------------------------------------------------------------------------

  get #nothingToDo(): boolean {
    return this.#unanswered === 0 && this.#partBytes === 0 && !this.#held;
  }

  get #idle(): boolean {
    return this.#nothingToDo && this.#output === '';
  }

  /** Another server takes the connection from `unread` on. */
  #leave(unread: Buffer): void {
    this.#state = 'leaving';
    this.#hold(unread);
    this.#proceed();
  }

  #handOver(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    this.#state = 'gone';
    socket.off('data', this.#onData).off('drain', this.#onDrain).off('end', this.#onEnd);
    socket.off('error', this.#onError).off('close', this.#onClose);
    this.#owner.handOver(this, socket);
    socket.resume();
  }

  #endWithPeer(): void {
    if (this.#partBytes > 0) this.#refuse('HPE_INVALID_EOF_STATE');
    else this.#end();
  }

  #refuse(code: RefusalCode): void {
    this.#state = 'ending';
    this.#quietMs = performance.now();
    this.#dropParts();
    this.#owner.refuse(code, this.#socket);
  }

  #end(): void {
    this.#state = 'ending';
    this.#socket.destroySoon();
  }

  /** The peer does not take its answers, or very slowly. */
  #tickStalled(nowMs: number, tooLong: boolean): void {
    const { writableLength } = this.#socket;
    if (writableLength !== this.#stalledBytes) {
      this.#stalledBytes = writableLength;
      this.#quietMs = nowMs;
    } else if (tooLong) this.destroy();
  }

  #dropParts(): void {
    this.#parts = [];
    this.#partBytes = 0;
  }

  readonly #onDrain = (): void => {
    if (this.#state !== 'ending') this.#proceed();
  };

  readonly #onEnd = (): void => {
    this.#peerEnded = true;
    if (this.#state === 'open') this.#proceed();
  };

  readonly #onError = (): void => {
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#state = 'gone';
    this.#dropParts();
    this.#first = undefined;
    this.#last = undefined;
    this.#owner.closed(this);
  };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
