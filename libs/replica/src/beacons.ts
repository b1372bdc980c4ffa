/**
 * Tells everybody how this storage stands: at once when something changes that they wait for, and every
 * 250 ms, of which one that is idle skips two of three.
 */
import {
  type Beacon,
  type Bus,
  encodeBeacon,
  type FrameCodec,
  FrameKind,
  type Subjects,
} from '@kvstore/contract';
import { type Clock, type LogTimeMs, term, type Timer, type Timers } from '@kvstore/std';

export interface BeaconsOptions {
  readonly bus: Bus;
  readonly frames: FrameCodec;
  readonly subjects: Subjects;
  readonly clock: Clock;
  readonly timers: Timers;
  /** In its own cluster; before it knows that it has nothing to tell. */
  readonly standing: () => Omit<Beacon, 'nextDue' | 'wallMs'> | undefined;
  /** Reads the store: throws what is found there. */
  readonly nextDue: () => LogTimeMs | undefined;
  readonly failed: (error: unknown) => void;
}

/** Also when nothing changes: a silent storage counts as gone. */
const BEACON_PERIOD_MS = 250;
/** A beacon with nothing new to tell goes out with every third period only. */
const SAME_BEACONS_SKIPPED_MAX = 2;

export class Beacons {
  readonly #options: BeaconsOptions;
  #timer: Timer | undefined;
  /** What the last periodic beacon said. */
  #told = '';
  #sameSkipped = 0;

  constructor(options: BeaconsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.timers.every(BEACON_PERIOD_MS, () => this.#publishNews());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  publish(): void {
    const { bus, frames, subjects, clock, standing, nextDue, failed } = this.#options;
    const stands = standing();
    if (stands === undefined) return;
    let beacon: Beacon;
    try {
      beacon = { ...stands, nextDue: nextDue(), wallMs: clock.wallMs() };
    } catch (error) {
      // Whatever follows from it is told by a beacon of its own.
      failed(error);
      return;
    }
    this.#sameSkipped = 0;
    bus.publish(subjects.beacon, frames.seal(FrameKind.beacon, term(0), encodeBeacon(beacon)));
  }

  #publishNews(): void {
    const stands = this.#options.standing();
    if (stands === undefined) return;
    const { applied, durable, healthy, needs } = stands;
    const news = `${applied} ${durable} ${healthy} ${needs}`;
    if (news === this.#told && this.#sameSkipped < SAME_BEACONS_SKIPPED_MAX) {
      this.#sameSkipped += 1;
      return;
    }
    this.#told = news;
    this.publish();
  }
}
