/**
 * Serves the hot routes on sockets that another server accepts, and gives a socket back with all bytes that it
 * did not read as soon as a request is anything else. It owns what its connections share: the parser, the
 * flush at the end of the turn, and the clock of their time limits.
 */
import type { Socket } from 'node:net';
import { AnswerEnds } from './answer.ts';
import { Http1Connection, type ConnectionOwner, type RefusalCode } from './connection.ts';
import { HeadParser, type HeadSyntax } from './head-parser.ts';
import { HTTP1_LIMITS, type Http1Limits } from './limits.ts';
import type { Http1Request } from './request.ts';

export interface Http1Options extends Pick<HeadSyntax, 'methods' | 'prefix' | 'fields'> {
  /** False hands the connection over. It is asked before the body is there, perhaps more than once. */
  readonly serves: (target: string) => boolean;
  /** Called once for a request, in their order on a connection; it answers now or later, and never throws. */
  readonly handler: (request: Http1Request) => void;
  /** The socket is the other server's from now on, at the start of a request. */
  readonly handOver: (socket: Socket) => void;
  /** A request ended before it was whole: answers, if it likes, and ends the socket. */
  readonly refuse: (code: RefusalCode, socket: Socket) => void;
  readonly limits?: Partial<Http1Limits>;
}

export class Http1Edge implements ConnectionOwner {
  readonly limits: Http1Limits;
  readonly head: HeadParser;
  readonly serves: (target: string) => boolean;
  readonly handler: (request: Http1Request) => void;
  readonly refuse: (code: RefusalCode, socket: Socket) => void;
  readonly #handOver: (socket: Socket) => void;
  readonly #ends: AnswerEnds;
  readonly #connections = new Set<Http1Connection>();
  #toFlush: Http1Connection[] = [];
  /** Only while there are connections: an idle server sleeps. */
  #ticker: NodeJS.Timeout | undefined;
  #draining = false;

  constructor(options: Http1Options) {
    this.limits = { ...HTTP1_LIMITS, ...options.limits };
    this.head = new HeadParser({ ...options, ...this.limits });
    this.serves = options.serves;
    this.handler = options.handler;
    this.refuse = options.refuse;
    this.#handOver = options.handOver;
    this.#ends = new AnswerEnds(this.limits.idleMsMax);
  }

  /** Those that it has not handed over. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Serves a socket from its first byte on. */
  accept(socket: Socket): void {
    if (this.#draining) {
      this.#handOver(socket);
      return;
    }
    this.#connections.add(new Http1Connection(socket, this, performance.now()));
    this.#ticker ??= setInterval(() => this.#tick(), this.limits.tickMs).unref();
  }

  /** Closes what is idle, and every other connection when its requests are answered. New ones are not kept. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#connections) connection.drain();
  }

  /** Ends all connections at once. */
  cut(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  ends(last: boolean): string {
    return this.#ends.at(Date.now(), last);
  }

  scheduleFlush(connection: Http1Connection): void {
    if (this.#toFlush.push(connection) === 1) setImmediate(this.#flush);
  }

  handOver(connection: Http1Connection, socket: Socket): void {
    this.closed(connection);
    this.#handOver(socket);
  }

  closed(connection: Http1Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  readonly #flush = (): void => {
    const connections = this.#toFlush;
    this.#toFlush = [];
    const nowMs = performance.now();
    for (const connection of connections) connection.flush(nowMs);
  };

  #tick(): void {
    const nowMs = performance.now();
    for (const connection of this.#connections) connection.tick(nowMs);
  }
}
