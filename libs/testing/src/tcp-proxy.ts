/**
 * A network between one client and one server that a test can break: held (connections stay open
 * and nothing passes, in one direction or both), slow, cut, refusing.
 *
 * Held bytes are not lost: as behind a partition of a network, senders see their buffers fill, and
 * what was held passes when the fault heals, unless the connection was cut before.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export type ProxyDirection = 'both' | 'to-server' | 'to-client';

const QUEUED_BYTES_MAX = 1024 * 1024;

export class TcpProxy {
  static readonly #open = new Set<TcpProxy>();

  readonly #listener: Server;
  readonly #targetPort: number;
  readonly #connections = new Set<Connection>();
  #held: ProxyDirection | undefined;
  #delayMs = 0;
  #refusing = false;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** A proxy on a free port of 127.0.0.1 to `targetPort` of 127.0.0.1. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    TcpProxy.#open.add(proxy);
    return proxy;
  }

  static async closeAll(): Promise<void> {
    await Promise.all([...TcpProxy.#open].map((proxy) => proxy.close()));
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Connections stay open, new ones too, and nothing passes in `direction`. */
  blackHole(direction: ProxyDirection = 'both'): void {
    this.#held = direction;
    this.#applyAll();
  }

  /** Whatever arrives from now on passes `ms` later, in order. */
  delay(ms: number): void {
    this.#delayMs = ms;
    this.#applyAll();
  }

  /** New connections are closed at once. Those that are open stay. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Closes every connection at once; what it holds is lost. */
  cut(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /** Ends every fault: nothing is held, delayed or refused. */
  heal(): void {
    this.#held = undefined;
    this.#delayMs = 0;
    this.#refusing = false;
    this.#applyAll();
  }

  async close(): Promise<void> {
    TcpProxy.#open.delete(this);
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect({ port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const connection = new Connection(client, server, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    this.#apply(connection);
  }

  #applyAll(): void {
    for (const connection of this.#connections) this.#apply(connection);
  }

  #apply({ toServer, toClient }: Connection): void {
    toServer.set(this.#held === 'both' || this.#held === 'to-server', this.#delayMs);
    toClient.set(this.#held === 'both' || this.#held === 'to-client', this.#delayMs);
  }
}

class Connection {
  readonly toServer: Pipe;
  readonly toClient: Pipe;
  readonly #sockets: readonly [Socket, Socket];

  constructor(client: Socket, server: Socket, onClosed: () => void) {
    this.#sockets = [client, server];
    this.toServer = new Pipe(client, server);
    this.toClient = new Pipe(server, client);
    for (const [socket, other] of [this.#sockets, [server, client] as const]) {
      socket.setNoDelay(true);
      // Why: `close` tells the same, and an orderly end passes through the pipe, after the bytes.
      socket.on('error', () => undefined);
      socket.on('close', (failed) => {
        if (failed) other.destroy();
        if (client.closed && server.closed) onClosed();
      });
    }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** One direction: stops reading while it is held, or while the other side does not take more. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #late: { readonly dueMs: number; readonly chunk: Uint8Array }[] = [];
  #lateBytes = 0;
  #ended = false;
  #held = false;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Uint8Array) => this.#take(chunk));
    from.on('end', () => {
      this.#ended = true;
      this.#pass();
    });
    to.on('drain', () => this.#flow());
    to.on('close', () => clearTimeout(this.#timer));
  }

  set(held: boolean, delayMs: number): void {
    this.#held = held;
    this.#delayMs = delayMs;
    this.#pass();
  }

  #take(chunk: Uint8Array): void {
    this.#late.push({ dueMs: performance.now() + this.#delayMs, chunk });
    this.#lateBytes += chunk.length;
    this.#pass();
  }

  /** Passes what is due, and comes again when the next is. */
  #pass(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    for (let next = this.#late[0]; next !== undefined && !this.#held; next = this.#late[0]) {
      if (next.dueMs > now) {
        this.#timer = setTimeout(() => this.#pass(), next.dueMs - now);
        break;
      }
      this.#late.shift();
      this.#lateBytes -= next.chunk.length;
      this.#to.write(next.chunk);
    }
    if (this.#ended && this.#late.length === 0) this.#to.end();
    this.#flow();
  }

  #flow(): void {
    const full = this.#lateBytes > QUEUED_BYTES_MAX || this.#to.writableNeedDrain;
    if (this.#held || full) this.#from.pause();
    else this.#from.resume();
  }
}
