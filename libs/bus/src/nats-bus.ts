/**
 * The bus over NATS core: one connection to a nats-server, made again for ever when it is lost.
 *
 * Invariants
 *   1. `publish` answers true only while the connection stands, and the library drops what it holds
 *      when it ends: nothing that was handed over before a disconnect is sent after the reconnect.
 *   2. What waits for the socket is bounded by 64 MiB; beyond that `publish` answers false.
 *   3. A request under way when the connection ends ends as TIMEOUT: it may have been handled.
 *   4. A handler that throws ends the process: it is a bug of its service.
 * It logs nothing: what an operator should know goes to `onEvent`, once per occurrence.
 */
import type { Socket } from 'node:net';
import {
  type Bus,
  type BusMessage,
  type BusStatus,
  type BusSubscription,
  Limits,
} from '@kvstore/contract';
import { assert } from '@kvstore/std';
import {
  AuthorizationError,
  createInbox,
  type Msg,
  type NatsConnection,
  PermissionViolationError,
  type Subscription,
  UserAuthenticationExpiredError,
} from 'nats';
import {
  connectNats,
  discardDial,
  type NatsConnectOptions,
  type NatsServerInfo,
  serverInfoOf,
  socketOf,
  unfitness,
} from './nats-connect.ts';
import { Liveness } from './nats-liveness.ts';
import { NatsPublisher } from './nats-publisher.ts';
import { NatsRequests } from './nats-requests.ts';

export type BusEvent =
  | { readonly kind: 'disconnected'; readonly server: string }
  /** Still without a connection; at most one every 10 s. */
  | { readonly kind: 'reconnecting'; readonly attempts: number; readonly forMs: number }
  | { readonly kind: 'connected'; readonly server: string; readonly afterMs: number }
  /** The server refuses our credentials; told once while it repeats itself. */
  | { readonly kind: 'unauthorized'; readonly message: string }
  /** We are connected to a server that will not do, and look for another. */
  | { readonly kind: 'unfit'; readonly message: string }
  /** One publish or one subscription that the permissions of our user do not allow. */
  | {
      readonly kind: 'forbidden';
      readonly operation: 'publish' | 'subscription';
      readonly subject: string;
    }
  /** The server takes less than we publish, and publishes are refused until it has caught up. */
  | { readonly kind: 'slow'; readonly waitingBytes: number }
  | { readonly kind: 'server-error'; readonly message: string };

export interface NatsBusOptions extends NatsConnectOptions {
  readonly onEvent?: (event: BusEvent) => void;
}

/** Since the bus was made. */
export interface BusCounters {
  readonly published: number;
  readonly delivered: number;
  /** Publishes, requests and answers that were not handed over. */
  readonly dropped: number;
  readonly reconnects: number;
  readonly permissionErrors: number;
}

type Handler = (message: BusMessage) => void;

interface Subscribed {
  readonly subject: string;
  readonly take: (message: Msg) => void;
  live: Subscription | undefined;
}

const WAITING_BYTES_MAX = 64 * 1024 * 1024;
const CLOSE_FLUSH_MS_MAX = 500;
const RECONNECTING_EVENT_MS = 10_000;

export class NatsBus implements Bus {
  /** For what is more than a bus: JetStream. Closed by `close`. */
  readonly connection: NatsConnection;
  readonly #counters = {
    published: 0,
    delivered: 0,
    dropped: 0,
    reconnects: 0,
    permissionErrors: 0,
  };
  readonly #onEvent: (event: BusEvent) => void;
  readonly #requests: NatsRequests;
  readonly #publisher: NatsPublisher;
  readonly #liveness: Liveness;
  /** Subscriptions that the server refused: asked for again with the next connection. */
  readonly #forbidden = new Set<Subscribed>();
  #server: NatsServerInfo;
  /** Invariant: undefined from the moment a connection is given up until the next one stands. */
  #socket: Socket | undefined;
  #closing: Promise<void> | undefined;
  #slow = false;
  #outage = { sinceMs: 0, attempts: 0, reportedMs: 0, error: '' };

  private constructor(connection: NatsConnection, options: NatsBusOptions) {
    this.connection = connection;
    this.#onEvent = options.onEvent ?? ignore;
    this.#server = serverInfoOf(connection);
    this.#requests = new NatsRequests(createInbox(options.inboxPrefix));
    this.#publisher = new NatsPublisher(connection);
    this.#liveness = new Liveness(connection, () => this.reconnect());
    const socket = socketOf(connection);
    assert(socket !== undefined, 'a new connection has a socket');
    this.#adopt(socket);
    this.#listen({
      subject: this.#requests.subject,
      take: (message) => this.#requests.answered(message),
      live: undefined,
    });
    void this.#follow();
  }

  /** Rejects with `BusConnectError`. */
  static async connect(options: NatsBusOptions): Promise<NatsBus> {
    return new NatsBus(await connectNats(options), options);
  }

  get status(): BusStatus {
    if (this.#closing !== undefined) return 'closed';
    return this.#socket?.writable === true ? 'connected' : 'disconnected';
  }

  /** The server of the newest connection. */
  get server(): NatsServerInfo {
    return this.#server;
  }

  get counters(): BusCounters {
    return this.#counters;
  }

  /** Bytes that wait for the socket. */
  get waitingBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  publish(subject: string, payload: Uint8Array): boolean {
    return this.#send(subject, '', payload);
  }

  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#requests.open(subject, timeoutMs, (reply) => this.#send(subject, reply, payload));
  }

  subscribe(subject: string, handler: Handler): BusSubscription {
    // Why: messages of a subject without wildcards need not have it decoded.
    const fixed = /[*>]/.test(subject) ? undefined : subject;
    const subscribed: Subscribed = {
      subject,
      take: (message) => this.#deliver(fixed ?? message.subject, message, handler),
      live: undefined,
    };
    if (this.#closing === undefined) this.#listen(subscribed);
    return {
      unsubscribe: () => {
        this.#forbidden.delete(subscribed);
        subscribed.live?.unsubscribe();
      },
    };
  }

  reconnect(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#lost();
    // Why not the library's own `reconnect`: it first waits for the socket to take what was
    // written, which on a dead path is for ever. What waits in this process is dropped.
    socket.destroy();
  }

  /** Hands over what was published before, for at most half a second, and ends the connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #send(subject: string, reply: string, payload: Uint8Array): boolean {
    assert(payload.length <= Limits.frameBytesMax, 'a payload fits one frame');
    const socket = this.#socket;
    if (socket?.writable !== true || this.#isFull(socket, payload.length)) {
      this.#counters.dropped += 1;
      return false;
    }
    this.#counters.published += 1;
    this.#publisher.publish(socket, subject, reply, payload);
    return true;
  }

  #isFull(socket: Socket, more: number): boolean {
    const waitingBytes = socket.writableLength;
    if (waitingBytes + more <= WAITING_BYTES_MAX) {
      if (waitingBytes < WAITING_BYTES_MAX / 2) this.#slow = false;
      return false;
    }
    if (!this.#slow) this.#onEvent({ kind: 'slow', waitingBytes });
    this.#slow = true;
    return true;
  }

  #listen(subscribed: Subscribed): void {
    subscribed.live = this.connection.subscribe(subscribed.subject, {
      callback: (error, message) => {
        // The only error here is a refusal; the library has closed the subscription.
        if (error === null) subscribed.take(message);
        else this.#forbidden.add(subscribed);
      },
    });
  }

  #deliver(subject: string, message: Msg, handler: Handler): void {
    if (this.#closing !== undefined) return;
    this.#counters.delivered += 1;
    const reply = message.reply ?? '';
    const respond =
      reply === '' ? ignore : (answer: Uint8Array): void => void this.#send(reply, '', answer);
    try {
      handler({ subject, payload: message.data, respond });
    } catch (error) {
      // Why: the library would log it, and read nothing from this connection any more.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') this.#lost();
      else if (status.type === 'reconnect') this.#found();
      else if (status.type === 'reconnecting') this.#attempted();
      else if (status.type === 'error') this.#failed(status.error);
    }
    assert(this.#closing !== undefined, 'the NATS library never gives up by itself');
  }

  /** Takes the socket of a new connection. */
  #adopt(socket: Socket): void {
    this.#socket = socket;
    this.#liveness.watch(socket);
  }

  #lost(): void {
    if (this.#socket === undefined) return;
    this.#socket = undefined;
    this.#slow = false;
    this.#liveness.stop();
    const now = performance.now();
    this.#outage = { sinceMs: now, attempts: 0, reportedMs: now, error: '' };
    this.#requests.giveUp('the connection was lost');
    this.#onEvent({ kind: 'disconnected', server: this.#server.address });
  }

  #attempted(): void {
    const outage = this.#outage;
    outage.attempts += 1;
    const now = performance.now();
    if (now - outage.reportedMs < RECONNECTING_EVENT_MS) return;
    outage.reportedMs = now;
    const forMs = now - outage.sinceMs;
    this.#onEvent({ kind: 'reconnecting', attempts: outage.attempts, forMs });
  }

  #found(): void {
    const socket = socketOf(this.connection);
    // Why: the library may say it twice, and late.
    if (this.#closing !== undefined || this.#socket !== undefined) return;
    if (socket === undefined || !socket.writable) return;
    this.#server = serverInfoOf(this.connection);
    const unfit = unfitness(this.#server);
    if (unfit !== undefined) {
      this.#onEvent({ kind: 'unfit', message: unfit.message });
      socket.destroy();
      return;
    }
    this.#adopt(socket);
    this.#counters.reconnects += 1;
    const refused = [...this.#forbidden];
    this.#forbidden.clear();
    for (const subscribed of refused) this.#listen(subscribed);
    const afterMs = performance.now() - this.#outage.sinceMs;
    this.#onEvent({ kind: 'connected', server: this.#server.address, afterMs });
  }

  #failed(error: Error): void {
    if (error instanceof PermissionViolationError) {
      this.#counters.permissionErrors += 1;
      const { operation, subject } = error;
      this.#onEvent({ kind: 'forbidden', operation, subject });
      return;
    }
    const { message } = error;
    const repeated = this.#socket === undefined && message === this.#outage.error;
    this.#outage.error = message;
    if (repeated) return;
    const unauthorized =
      error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError;
    this.#onEvent({ kind: unauthorized ? 'unauthorized' : 'server-error', message });
  }

  async #close(): Promise<void> {
    const connected = this.status === 'connected';
    this.#socket = undefined;
    this.#liveness.stop();
    this.#requests.giveUp('the bus was closed');
    if (connected) await flushed(this.connection);
    await this.connection.close();
    discardDial(this.connection);
  }
}

/** Resolves when the server has taken everything, or after `CLOSE_FLUSH_MS_MAX`. */
function flushed(connection: NatsConnection): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CLOSE_FLUSH_MS_MAX);
    connection
      .flush()
      .catch(ignore)
      .finally(() => {
        clearTimeout(timer);
        resolve();
      });
  });
}

function ignore(): void {}
