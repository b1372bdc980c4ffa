/**
 * The only source of time and of turns in a simulation: one event after the other, each with all the
 * promises that it settles, on one thread. Nothing waits for the machine.
 *
 * Invariants
 *   1. an event runs to the end of its microtasks before the next one begins
 *   2. what runs, and when, depends on nothing but what was scheduled before it
 *   3. nothing runs in a dead process; a paused one gets its events, in order, when it goes on
 * Every event goes into the hash of the trace: two runs of one seed must end with the same hash.
 */
import {
  EventHeap,
  type EventLoop,
  type EventOwner,
  type EventProcess,
  type SimEvent,
} from './event-heap.ts';

/**
 * Runs all microtasks now. Why this one: it is what Node itself calls after each callback, and a turn
 * of the real event loop per simulated event would cost more than the events.
 */
const drainMicrotasks = (process as unknown as { readonly _tickCallback: () => void })
  ._tickCallback;

export class Scheduler implements EventLoop {
  readonly #heap = new EventHeap();
  readonly #failures: unknown[] = [];
  /** Called after every event of a process, when its microtasks are done. */
  afterEvent: (owner: EventProcess) => void = () => undefined;
  #nowUs = 0;
  #sequence = 0;
  #hashA = 0x811c9dc5;
  #hashB = 0x1b873593;
  #events = 0;

  get nowUs(): number {
    return this.#nowUs;
  }

  get nowMs(): number {
    return this.#nowUs / 1000;
  }

  /** Events run so far. */
  get events(): number {
    return this.#events;
  }

  /** Of everything that has happened, in its order. */
  get traceHash(): string {
    return (
      (this.#hashA >>> 0).toString(16).padStart(8, '0') +
      (this.#hashB >>> 0).toString(16).padStart(8, '0')
    );
  }

  /** Adds something that happened to the hash of the trace. */
  mix(value: number): void {
    this.#hashA = Math.imul(this.#hashA ^ (value | 0), 0x01000193);
    this.#hashB = Math.imul(this.#hashB ^ (this.#hashA >>> 15) ^ (value | 0), 0x85ebca6b);
  }

  /** `delayUs` is rounded up to whole microseconds: no timer is early. 0 is still later than now. */
  schedule(delayUs: number, owner: EventOwner | undefined, run: () => void): SimEvent {
    const atUs = this.#nowUs + Math.max(0, Math.ceil(delayUs));
    const event = { atUs, sequence: this.#sequence++, owner, run, cancelled: false };
    this.#heap.push(event);
    return event;
  }

  /** A failure that no process handles: ends the run. */
  fail(error: unknown): void {
    this.#failures.push(error);
  }

  /** Runs events until there is none before `untilUs`; throws the first failure. */
  runUntil(untilUs: number): void {
    while (this.#heap.first !== undefined && this.#heap.first.atUs <= untilUs) this.#step();
    this.#nowUs = Math.max(this.#nowUs, untilUs);
  }

  /** Runs what microtasks are left of the code that set the simulation up. */
  settle(): void {
    drainMicrotasks.call(process);
    this.#throwFailure();
  }

  #step(): void {
    const event = this.#heap.pop() as SimEvent;
    this.#nowUs = event.atUs;
    if (event.cancelled) return;
    const owner = event.owner?.current;
    if (event.owner !== undefined && owner?.isAlive !== true) return;
    if (owner !== undefined && owner.pausedUntilUs > this.#nowUs) {
      // Why a new place in the order: behind what is already waiting for the same moment.
      event.atUs = owner.pausedUntilUs;
      event.sequence = this.#sequence++;
      this.#heap.push(event);
      return;
    }
    this.#events += 1;
    this.mix(event.atUs);
    this.mix(event.sequence);
    event.run();
    drainMicrotasks.call(process);
    if (owner !== undefined) this.afterEvent(owner);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}
