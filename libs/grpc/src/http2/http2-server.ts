/**
 * Accepts connections and owns what they share: the flush at the end of the turn, the clock of their time
 * limits, and their count. Cleartext with prior knowledge on its own port; any other duplex stream, a TLS
 * socket for one, comes in by `accept`.
 */
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RequestHandler } from './connection.ts';
import { HTTP2_LIMITS, type Http2Limits } from './limits.ts';
import { Http2Session, type SessionOwner } from './session.ts';

const TICK_MS = 500;

export class Http2Server implements SessionOwner {
  readonly #handler: RequestHandler<unknown>;
  readonly #limits: Http2Limits;
  readonly #server: Server;
  readonly #sessions = new Set<Http2Session>();
  /** Only while there are connections: an idle server sleeps. */
  #ticker: NodeJS.Timeout | undefined;
  #toFlush: Http2Session[] = [];
  /** Of each `close`. */
  readonly #onEmpty: (() => void)[] = [];
  #closing = false;

  constructor(handler: RequestHandler<unknown>, limits: Partial<Http2Limits> = {}) {
    this.#handler = handler;
    this.#limits = { ...HTTP2_LIMITS, ...limits };
    this.#server = createServer({ noDelay: true }, (socket) => this.accept(socket));
  }

  /** Resolves with the port; rejects with the system's error. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Serves a connection that stands. Its chunks must be buffers that nobody writes again. */
  accept(socket: Duplex): void {
    if (this.#closing || this.#sessions.size >= this.#limits.connectionsMax) {
      socket.destroy();
      return;
    }
    this.#sessions.add(new Http2Session(socket, this.#handler, this.#limits, this));
    this.#ticker ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Stops accepting, lets streams end for at most `graceMs`, then cuts the connections. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    if (this.#server.listening) this.#server.close();
    if (this.#sessions.size > 0) {
      const cut = setTimeout(() => this.#cut(), graceMs);
      await new Promise<void>((resolve) => {
        this.#onEmpty.push(resolve);
        for (const session of this.#sessions) session.drain();
      });
      clearTimeout(cut);
    }
  }

  scheduleFlush(session: Http2Session): void {
    if (this.#toFlush.push(session) === 1) setImmediate(this.#flush);
  }

  closed(session: Http2Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  readonly #flush = (): void => {
    const sessions = this.#toFlush;
    this.#toFlush = [];
    for (const session of sessions) session.flush();
  };

  #tick(): void {
    const nowMs = performance.now();
    for (const session of this.#sessions) session.tick(nowMs);
  }

  #cut(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
