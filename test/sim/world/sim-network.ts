/**
 * The bus of a simulated cluster. Every process has a connection per lane; a message travels from one
 * connection to another with a delay of its own and may be lost, doubled, held up or cut off.
 *
 * What the port promises is kept: nothing is delivered within `publish`, bytes are copied, a request
 * arrives at most once, messages of one subject from one sender arrive in order — except Raft's, whose
 * core claims to need no order.
 * A message goes to an address, not to a process: what an earlier incarnation was sent, or sent, may
 * reach the next one.
 */
import {
  type Bus,
  BusError,
  type BusErrorCode,
  type BusMessage,
  type BusStatus,
  type BusSubscription,
  type Lanes,
} from '@kvstore/contract';
import type { Dice } from './dice.ts';
import type { EventOwner, SimEvent } from './event-heap.ts';
import { type FaultAtlas, FaultClass } from './fault-atlas.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimProcess } from './sim-process.ts';

export type Lane = 'data' | 'control';
type Handler = (message: BusMessage) => void;

export interface NetworkFaults {
  readonly loss: number;
  readonly duplicate: number;
  /** A copy arrives up to `lateUsMax` after the message itself. */
  readonly lateDuplicate: number;
  readonly lateUsMax: number;
  readonly delayUsMin: number;
  readonly delayUsMean: number;
  /** Raft's messages overtake each other. */
  readonly reorder: boolean;
}

export const CALM: NetworkFaults = {
  loss: 0,
  duplicate: 0,
  lateDuplicate: 0,
  lateUsMax: 0,
  delayUsMin: 50,
  delayUsMean: 100,
  reorder: false,
};

export interface NetworkTap {
  /** Bytes leave a process. `exchange` names a request and its answer; undefined for the rest. */
  sent(from: SimProcess, payload: Uint8Array, exchange: string | undefined): void;
  delivered(to: SimProcess, payload: Uint8Array): void;
}

/** Where messages to a role of a machine go: to whichever process is there when they arrive. */
class Address implements EventOwner {
  current: SimProcess | undefined;
}

export class SimNetwork {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #atlas: FaultAtlas;
  readonly #addresses = new Map<string, Address>();
  readonly #connections = new Map<SimProcess, Record<Lane, Connection>>();
  readonly #subscribers = new Map<string, Set<Connection>>();
  readonly #lastArrivalUs = new Map<string, number>();
  readonly #blocked = new Map<string, number>();
  readonly #clogged = new Map<string, number>();
  tap: NetworkTap = { sent: () => undefined, delivered: () => undefined };
  faults: NetworkFaults = CALM;
  /** When the last late copy has arrived. */
  lateUntilUs = 0;

  constructor(scheduler: Scheduler, dice: Dice, atlas: FaultAtlas) {
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#atlas = atlas;
  }

  /** The process takes the place of the one that was at its address before. */
  connect(process: SimProcess): Lanes {
    const address = this.address(process.address);
    if (address.current !== undefined) this.#forget(address.current);
    address.current = process;
    const lanes = {
      data: new Connection(this, process, 'data'),
      control: new Connection(this, process, 'control'),
    };
    this.#connections.set(process, lanes);
    return lanes;
  }

  address(name: string): Address {
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    const address = new Address();
    this.#addresses.set(name, address);
    return address;
  }

  /** The server notices that the connections of a dead process are gone. */
  hungUp(process: SimProcess): void {
    this.#forget(process);
  }

  // --- faults -----------------------------------------------------------------------------------

  /** Messages from one machine to another, on one lane or both, are lost until `unblockAll`. */
  block(from: string, to: string, lanes: readonly Lane[]): void {
    const key = `${from}>${to}`;
    let mask = this.#blocked.get(key) ?? 0;
    for (const lane of lanes) mask |= maskOf(lane);
    this.#blocked.set(key, mask);
  }

  unblock(from: string, to: string): void {
    this.#blocked.delete(`${from}>${to}`);
  }

  unblockAll(): void {
    this.#blocked.clear();
  }

  /** Nothing from one machine to another arrives for a while; then all of it, in order. */
  clog(from: string, to: string, forUs: number): void {
    const untilUs = this.#scheduler.nowUs + forUs;
    this.#clogged.set(`${from}>${to}`, untilUs);
  }

  /** The connection breaks: what is under way is lost, and nothing leaves before it is back. */
  disconnect(process: SimProcess, lane: Lane, forUs: number): void {
    this.#connections.get(process)?.[lane].breakFor(forUs);
  }

  // --- carrying ---------------------------------------------------------------------------------

  get scheduler(): Scheduler {
    return this.#scheduler;
  }

  subscribersOf(lane: Lane, subject: string): ReadonlySet<Connection> | undefined {
    return this.#subscribers.get(`${lane} ${subject}`);
  }

  subscribe(connection: Connection, subject: string): void {
    const key = `${connection.lane} ${subject}`;
    const known = this.#subscribers.get(key);
    if (known === undefined) this.#subscribers.set(key, new Set([connection]));
    else known.add(connection);
  }

  unsubscribe(connection: Connection, subject: string): void {
    this.#subscribers.get(`${connection.lane} ${subject}`)?.delete(connection);
  }

  connectionOf(process: SimProcess, lane: Lane): Connection | undefined {
    return this.#connections.get(process)?.[lane];
  }

  /** Time of the way between two connections without any fault. */
  hopUs(): number {
    const { delayUsMin, delayUsMean } = this.faults;
    return Math.floor(delayUsMin + this.#dice.exponential(delayUsMean - delayUsMin));
  }

  /** Brings one message on its way; `deliver` is called at most three times. */
  carry(
    from: Connection,
    to: SimProcess,
    owner: EventOwner,
    scope: string,
    mayRepeat: boolean,
    deliver: () => void,
  ): void {
    const key = `${from.process.machine}>${to.machine}`;
    if (((this.#blocked.get(key) ?? 0) & maskOf(from.lane)) !== 0) {
      this.#atlas.count(FaultClass.partitionDrop);
      return;
    }
    const { loss, duplicate, lateDuplicate, lateUsMax } = this.faults;
    if (this.#dice.chance(loss)) {
      this.#atlas.count(FaultClass.messageLost);
      return;
    }
    const generation = from.generation;
    const arrive = (): void => {
      if (generation === from.generation || !from.process.isAlive) deliver();
    };
    const nowUs = this.#scheduler.nowUs;
    const clearUs = Math.max(nowUs, this.#clogged.get(key) ?? 0);
    const atUs = this.#inOrder(`${from.process.address} ${to.address} ${scope}`, scope, clearUs);
    this.#scheduler.schedule(atUs - nowUs, owner, arrive);
    if (!mayRepeat) return;
    if (this.#dice.chance(duplicate)) {
      this.#atlas.count(FaultClass.messageDuplicated);
      this.#scheduler.schedule(atUs - nowUs, owner, arrive);
    }
    if (this.#dice.chance(lateDuplicate)) {
      this.#atlas.count(FaultClass.lateDuplicate);
      const lateUs = atUs + this.#dice.below(lateUsMax);
      this.lateUntilUs = Math.max(this.lateUntilUs, lateUs);
      this.#scheduler.schedule(lateUs - nowUs, owner, arrive);
    }
  }

  #inOrder(channel: string, scope: string, earliestUs: number): number {
    const ownUs = earliestUs + this.hopUs();
    const lastUs = this.#lastArrivalUs.get(channel) ?? 0;
    if (this.faults.reorder && (scope.endsWith('.raft') || scope.endsWith('.vote'))) {
      if (ownUs < lastUs) this.#atlas.count(FaultClass.messageReordered);
      this.#lastArrivalUs.set(channel, Math.max(ownUs, lastUs));
      return ownUs;
    }
    const atUs = Math.max(ownUs, lastUs);
    this.#lastArrivalUs.set(channel, atUs);
    return atUs;
  }

  countEarlierIncarnation(): void {
    this.#atlas.count(FaultClass.earlierIncarnation);
  }

  #forget(process: SimProcess): void {
    const lanes = this.#connections.get(process);
    if (lanes === undefined) return;
    this.#connections.delete(process);
    lanes.data.hangUp();
    lanes.control.hangUp();
  }
}

function maskOf(lane: Lane): number {
  return lane === 'data' ? 1 : 2;
}

interface PendingRequest {
  readonly timer: SimEvent;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: BusError) => void;
}

export class Connection implements Bus {
  readonly process: SimProcess;
  readonly lane: Lane;
  readonly #network: SimNetwork;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #requests = new Map<number, PendingRequest>();
  #nextRequest = 1;
  #closed = false;
  #backAtUs = 0;
  /** Grows when the connection breaks: what was sent before is lost. */
  generation = 0;

  constructor(network: SimNetwork, process: SimProcess, lane: Lane) {
    this.#network = network;
    this.process = process;
    this.lane = lane;
  }

  get status(): BusStatus {
    if (this.#closed) return 'closed';
    return this.#network.scheduler.nowUs < this.#backAtUs ? 'disconnected' : 'connected';
  }

  publish(subject: string, payload: Uint8Array): boolean {
    return this.#send(subject, payload, undefined);
  }

  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const id = this.#nextRequest++;
      const timer = this.#network.scheduler.schedule(timeoutMs * 1000, this.process, () => {
        this.fail(id, 'TIMEOUT', `${subject}: no answer in ${timeoutMs} ms`);
      });
      this.#requests.set(id, { timer, resolve, reject });
      if (!this.#send(subject, payload, id)) this.fail(id, 'NOT_SENT', `${subject}: not sent`);
    });
  }

  subscribe(subject: string, handler: Handler): BusSubscription {
    const handlers = this.#handlers.get(subject) ?? new Set();
    handlers.add(handler);
    this.#handlers.set(subject, handlers);
    this.#network.subscribe(this, subject);
    return {
      unsubscribe: () => {
        handlers.delete(handler);
        if (handlers.size > 0) return;
        this.#handlers.delete(subject);
        this.#network.unsubscribe(this, subject);
      },
    };
  }

  reconnect(): void {
    this.breakFor(100_000);
  }

  breakFor(forUs: number): void {
    this.generation += 1;
    this.#backAtUs = this.#network.scheduler.nowUs + forUs;
    for (const id of [...this.#requests.keys()]) this.fail(id, 'TIMEOUT', 'the connection broke');
  }

  async close(): Promise<void> {
    this.hangUp();
    for (const id of [...this.#requests.keys()]) this.fail(id, 'TIMEOUT', 'the bus was closed');
  }

  hangUp(): void {
    this.#closed = true;
    for (const subject of this.#handlers.keys()) this.#network.unsubscribe(this, subject);
    this.#handlers.clear();
  }

  fail(id: number, code: BusErrorCode, why: string): void {
    this.#take(id)?.reject(new BusError(code, why));
  }

  exchange(request: number): string {
    return `${this.process.address} ${this.process.incarnation} ${this.lane} ${request}`;
  }

  #take(id: number): PendingRequest | undefined {
    const pending = this.#requests.get(id);
    if (pending === undefined) return undefined;
    this.#requests.delete(id);
    pending.timer.cancelled = true;
    return pending;
  }

  #send(subject: string, payload: Uint8Array, request: number | undefined): boolean {
    if (this.status !== 'connected' || !this.process.isAlive) return false;
    const network = this.#network;
    const copy = new Uint8Array(payload);
    network.tap.sent(
      this.process,
      copy,
      request === undefined ? undefined : this.exchange(request),
    );
    const receivers = network.subscribersOf(this.lane, subject);
    if (receivers === undefined || receivers.size === 0) {
      if (request !== undefined) {
        const fail = (): void => this.fail(request, 'NO_RESPONDERS', `${subject}: nobody listens`);
        network.carry(this, this.process, this.process, subject, false, fail);
      }
      return true;
    }
    for (const receiver of receivers) {
      const to = receiver.process;
      const owner = network.address(to.address);
      network.carry(this, to, owner, subject, request === undefined, () =>
        this.#arrive(to, owner, subject, copy, request),
      );
    }
    return true;
  }

  #arrive(
    meant: SimProcess,
    address: { readonly current: SimProcess | undefined },
    subject: string,
    payload: Uint8Array,
    request: number | undefined,
  ): void {
    const process = address.current as SimProcess;
    if (process !== meant || !this.process.isAlive) this.#network.countEarlierIncarnation();
    const connection = this.#network.connectionOf(process, this.lane);
    connection?.receive(this, subject, payload, request);
  }

  receive(
    from: Connection,
    subject: string,
    payload: Uint8Array,
    request: number | undefined,
  ): void {
    const handlers = this.#handlers.get(subject);
    if (handlers === undefined || this.status !== 'connected') return;
    this.#network.tap.delivered(this.process, payload);
    const respond = (answer: Uint8Array): void => {
      if (request !== undefined) this.#respond(from, request, answer);
    };
    for (const handler of handlers) handler({ subject, payload, respond });
  }

  #respond(to: Connection, request: number, answer: Uint8Array): void {
    if (this.status !== 'connected' || !this.process.isAlive) return;
    const copy = new Uint8Array(answer);
    this.#network.tap.sent(this.process, copy, to.exchange(request));
    this.#network.carry(this, to.process, to.process, 'inbox', true, () => {
      const pending = to.#take(request);
      if (pending === undefined) return;
      this.#network.tap.delivered(to.process, copy);
      pending.resolve(copy);
    });
  }
}
