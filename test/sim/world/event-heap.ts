/**
 * What is still to happen in a simulation, by time and then by the order in which it was asked for:
 * two events of one microsecond always run in the same order. A binary heap.
 */
/** Whose event it is when it is due: a process, or whichever lives at an address by then. */
export interface EventOwner {
  readonly current: EventProcess | undefined;
}

export interface EventProcess {
  readonly isAlive: boolean;
  readonly pausedUntilUs: number;
}

/** Time and turns, as a process sees them. */
export interface EventLoop {
  readonly nowUs: number;
  readonly nowMs: number;
  schedule(delayUs: number, owner: EventOwner | undefined, run: () => void): SimEvent;
}

export interface SimEvent {
  /** Microseconds since the simulation began. */
  atUs: number;
  sequence: number;
  /** It waits while its process is paused and is dropped when that is dead. */
  readonly owner: EventOwner | undefined;
  readonly run: () => void;
  cancelled: boolean;
}

export class EventHeap {
  readonly #events: SimEvent[] = [];

  get first(): SimEvent | undefined {
    return this.#events[0];
  }

  push(event: SimEvent): void {
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = events[above] as SimEvent;
      if (isBefore(parent, event)) break;
      events[at] = parent;
      at = above;
    }
    events[at] = event;
  }

  pop(): SimEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= events.length) break;
      const right = events[below + 1];
      if (right !== undefined && isBefore(right, events[below] as SimEvent)) below += 1;
      const child = events[below] as SimEvent;
      if (isBefore(last, child)) break;
      events[at] = child;
      at = below;
    }
    events[at] = last;
    return first;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.sequence < b.sequence);
}
