/** The machine's clocks and timers behind the ports of `std`. Timers never keep the process alive. */
import type { Clock, Timer, Timers } from '@kvstore/std';

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

export const systemTimers: Timers = {
  after(delayMs, callback): Timer {
    const timer = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(periodMs, callback): Timer {
    const timer = setInterval(callback, periodMs).unref();
    return { cancel: () => clearInterval(timer) };
  },
  endOfTurn(callback): void {
    setImmediate(callback);
  },
};
