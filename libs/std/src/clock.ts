/** Time as ports, so that a simulation owns it. */
export interface Clock {
  /** Milliseconds from an arbitrary start, never going back; fractions allowed. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch by this machine's clock, which may jump either way. */
  wallMs(): number;
}

export interface Timer {
  /** No effect after the timer has fired or was cancelled. */
  cancel(): void;
}

export interface Timers {
  /** Calls `callback` once, `delayMs` from now or later. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls `callback` every `periodMs`; missed periods are not made up for. */
  every(periodMs: number, callback: () => void): Timer;
  /** Calls `callback` once the input of the current event-loop turn has been handled. */
  endOfTurn(callback: () => void): void;
}
