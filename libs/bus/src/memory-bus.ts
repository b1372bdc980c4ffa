/**
 * The in-process bus: one process, no server, the same promises as NATS core and no more.
 *
 * Payloads are copied on the way in, so that no two services ever share a mutable buffer, and
 * handlers never run inside `publish`: messages queue up and are delivered once the current job is
 * done, in order. One delivery run is bounded; what is left goes on after the event loop has had
 * its turn. A handler that throws is a bug of its service and ends the process.
 */
import {
  type Bus,
  BusError,
  type BusErrorCode,
  type BusMessage,
  type BusStatus,
  type BusSubscription,
  Limits,
} from '@kvstore/contract';
import { assert } from '@kvstore/std';

/** Lets a test lose, delay, duplicate or reorder: decides when and how often one message arrives. */
export type Delivery = (subject: string, deliver: () => void) => void;

interface Queued {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly respond: (payload: Uint8Array) => void;
  readonly noResponders: () => void;
}

type Handler = (message: BusMessage) => void;

const MESSAGES_PER_RUN_MAX = 1024;
const QUEUE_MAX = 65_536;

export class MemoryBus implements Bus {
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #delivery: Delivery | undefined;
  readonly #requests = new Set<(code: BusErrorCode, why: string) => void>();
  #queue: Queued[] = [];
  #scheduled = false;
  #closed = false;

  constructor(delivery?: Delivery) {
    this.#delivery = delivery;
  }

  get status(): BusStatus {
    return this.#closed ? 'closed' : 'connected';
  }

  publish(subject: string, payload: Uint8Array): boolean {
    return this.#enqueue(subject, payload, ignore, ignore);
  }

  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#requests.delete(fail);
      };
      const fail = (code: BusErrorCode, why: string): void => {
        settle();
        reject(new BusError(code, `${subject}: ${why}`));
      };
      const timer = setTimeout(() => fail('TIMEOUT', `no answer in ${timeoutMs} ms`), timeoutMs);
      this.#requests.add(fail);
      const respond = (answer: Uint8Array): void => {
        settle();
        resolve(answer);
      };
      const noResponders = (): void => fail('NO_RESPONDERS', 'nobody listens');
      if (!this.#enqueue(subject, payload, respond, noResponders)) {
        fail('NOT_SENT', 'the bus took no message');
      }
    });
  }

  subscribe(subject: string, handler: Handler): BusSubscription {
    const handlers = this.#handlers.get(subject) ?? new Set();
    handlers.add(handler);
    this.#handlers.set(subject, handlers);
    return {
      unsubscribe: () => {
        handlers.delete(handler);
        if (handlers.size === 0) this.#handlers.delete(subject);
      },
    };
  }

  /** There is no connection to give up. */
  reconnect(): void {}

  /** Requests under way end as timed out: they may have been handled. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const fail of [...this.#requests]) fail('TIMEOUT', 'the bus was closed');
    this.#handlers.clear();
    this.#queue = [];
  }

  #enqueue(
    subject: string,
    payload: Uint8Array,
    respond: (payload: Uint8Array) => void,
    noResponders: () => void,
  ): boolean {
    assert(payload.length <= Limits.frameBytesMax, 'a payload fits one frame');
    if (this.#closed || this.#queue.length >= QUEUE_MAX) return false;
    const queued = { subject, payload: copyOf(payload), respond, noResponders };
    if (this.#delivery === undefined) this.#push(queued);
    else this.#delivery(subject, () => this.#push(queued));
    return true;
  }

  #push(queued: Queued): void {
    this.#queue.push(queued);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#run());
  }

  #run(): void {
    let delivered = 0;
    for (; delivered < this.#queue.length && delivered < MESSAGES_PER_RUN_MAX; delivered++) {
      this.#deliver(this.#queue[delivered] as Queued);
    }
    this.#queue = delivered === this.#queue.length ? [] : this.#queue.slice(delivered);
    this.#scheduled = this.#queue.length > 0;
    if (this.#scheduled) setImmediate(() => this.#run());
  }

  #deliver(queued: Queued): void {
    const handlers = this.#handlers.get(queued.subject);
    if (handlers === undefined) {
      queued.noResponders();
      return;
    }
    const message: BusMessage = {
      subject: queued.subject,
      payload: queued.payload,
      respond: (payload) => this.#respond(queued, payload),
    };
    // Why a copy: who subscribes meanwhile gets what comes later, as on NATS.
    for (const handler of [...handlers]) if (handlers.has(handler)) handler(message);
  }

  #respond(queued: Queued, payload: Uint8Array): void {
    assert(payload.length <= Limits.frameBytesMax, 'a payload fits one frame');
    const copy = copyOf(payload);
    if (this.#delivery === undefined) queued.respond(copy);
    else this.#delivery(`${queued.subject} (answer)`, () => queued.respond(copy));
  }
}

/** Why not `slice`: that of a Node `Buffer` is a view. */
function copyOf(payload: Uint8Array): Uint8Array {
  return new Uint8Array(payload);
}

function ignore(): void {}
