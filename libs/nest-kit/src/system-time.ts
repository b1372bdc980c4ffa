/** The machine's clocks and timers behind the ports of `std`. Timers never keep the process alive. */
import { type Clock, type Timer, type Timers, untilNextBeat } from '@kvstore/std';

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
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      timer = setTimeout(run, untilNextBeat(performance.now(), periodMs)).unref();
    };
    const run = (): void => {
      arm();
      callback();
    };
    arm();
    return { cancel: () => clearTimeout(timer) };
  },
  endOfTurn(callback): void {
    setImmediate(callback);
  },
};
