/**
 * One simulated process: its life, its clocks and its timers. Whatever wakes its code up comes from
 * the scheduler as an event of this process, so killing it is only never running it again: promises
 * that it waits for are never settled.
 */
import type { Clock, Timer, Timers } from '@kvstore/std';
import type { EventLoop, EventOwner, EventProcess } from './event-heap.ts';

export type ProcessRole = 'consensus' | 'storage' | 'gateway';

const WALL_START_MS = 1_700_000_000_000;

/** How the clocks of a machine differ from true time; shared by its processes, changed by faults. */
export class MachineClock {
  /** Monotonic milliseconds per true millisecond. */
  rate = 1;
  /** Wall clock ahead of true time. */
  wallOffsetMs = 0;
}

export class SimProcess implements EventOwner, EventProcess {
  readonly role: ProcessRole;
  /** The machine: a node, or the one of a gateway. */
  readonly machine: string;
  /** `role/name` of the sender in frames; the address of its successor too. */
  readonly address: string;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly #scheduler: EventLoop;
  readonly #machineClock: MachineClock;
  readonly #bornUs: number;
  pausedUntilUs = 0;
  /** On its own clock: when it was last asked about its members, or to hand leadership over. */
  membersAskedMs = Number.NEGATIVE_INFINITY;
  #alive = true;

  constructor(
    scheduler: EventLoop,
    role: ProcessRole,
    machine: string,
    incarnation: number,
    machineClock: MachineClock,
  ) {
    this.role = role;
    this.machine = machine;
    this.address = `${role}/${machine}`;
    this.incarnation = incarnation;
    this.#scheduler = scheduler;
    this.#machineClock = machineClock;
    this.#bornUs = scheduler.nowUs;
    this.clock = {
      monotonicMs: () => this.#monotonicMs(),
      wallMs: () => Math.floor(WALL_START_MS + scheduler.nowMs + machineClock.wallOffsetMs),
    };
    this.timers = {
      after: (delayMs, callback) => this.#after(delayMs, callback),
      every: (periodMs, callback) => this.#every(periodMs, callback),
      endOfTurn: (callback) => void scheduler.schedule(0, this, callback),
    };
  }

  get current(): SimProcess {
    return this;
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
  }

  get isPaused(): boolean {
    return this.pausedUntilUs > this.#scheduler.nowUs;
  }

  pauseUntil(us: number): void {
    this.pausedUntilUs = Math.max(this.pausedUntilUs, us);
  }

  /** The rate never changes within a life, so this never goes back. */
  #monotonicMs(): number {
    return 1000 + ((this.#scheduler.nowUs - this.#bornUs) / 1000) * this.#machineClock.rate;
  }

  #trueUs(ms: number): number {
    return (ms * 1000) / this.#machineClock.rate;
  }

  #after(delayMs: number, callback: () => void): Timer {
    const event = this.#scheduler.schedule(this.#trueUs(delayMs), this, callback);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  #every(periodMs: number, callback: () => void): Timer {
    let cancelled = false;
    const arm = (): void => {
      this.#scheduler.schedule(this.#trueUs(periodMs), this, () => {
        if (cancelled) return;
        callback();
        arm();
      });
    };
    arm();
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}
