/**
 * The one port between services: bytes in, bytes out. Messages may be lost, delayed, reordered between
 * subjects and, unless they are requests, duplicated; nothing is promised that NATS core does not
 * promise. A request arrives at most once: who is refused knows that no copy of it is elsewhere.
 * Adapters: `memory` and `nats`, held to one contract suite.
 */
export interface BusMessage {
  readonly subject: string;
  /** Immutable: shared by all receivers, valid for as long as it is referenced. */
  readonly payload: Uint8Array;
  /** Answers a request; no effect on a published message. The bytes are the bus's afterwards. */
  respond(payload: Uint8Array): void;
}

export interface BusSubscription {
  unsubscribe(): void;
}

export type BusStatus = 'connected' | 'disconnected' | 'closed';

export interface Bus {
  readonly status: BusStatus;
  /**
   * Hands the bytes over: they are the bus's afterwards and never change again. Delivery is never
   * synchronous. False when they were certainly not handed over (disconnected, closed).
   */
  publish(subject: string, payload: Uint8Array): boolean;
  /**
   * Publishes and waits for the first answer. Rejects with `BusError`: NO_RESPONDERS when nobody
   * listens and NOT_SENT when the bytes were not handed over (in both, nobody saw the request);
   * TIMEOUT when no answer came, in which case it may have been handled.
   */
  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** Messages of one subject arrive in the order in which one sender published them. */
  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription;
  /**
   * Gives the connection up and dials again, for a caller that knows it to be dead while it looks
   * alive. Subscriptions come back; requests under way end as TIMEOUT. Nothing to do without one.
   */
  reconnect(): void;
  close(): Promise<void>;
}

/**
 * A service's two ways onto the bus. Votes, heartbeats, marks and beacons travel on `control`, so
 * that no bulk of entries, batches and answers ever holds them up; on NATS they are two connections,
 * in one process they are the same bus.
 */
export interface Lanes {
  readonly data: Bus;
  readonly control: Bus;
}

export type BusErrorCode = 'NO_RESPONDERS' | 'NOT_SENT' | 'TIMEOUT';

export class BusError extends Error {
  override readonly name = 'BusError';
  readonly code: BusErrorCode;
  readonly retryable = true;

  constructor(code: BusErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
