/**
 * Waits out a full file system: carries an operation out again every second, or as soon as asked,
 * until it is not refused for want of space. Any other failure passes through.
 */
import { DiskError } from '@kvstore/std';
import type { Timer, Timers } from '@kvstore/std';
import { LogError } from '@kvstore/sequencer';

const RETRY_MS = 1000;

interface Refused {
  error: DiskError;
  wake: (() => void) | undefined;
}

export class SpaceRetry {
  readonly #timers: Timers;
  readonly #refused = new Set<Refused>();
  readonly #onPause = new Set<() => void>();
  #stopped = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Why an operation is waiting, while one is. */
  get error(): string | undefined {
    for (const refused of this.#refused) return refused.error.message;
    return undefined;
  }

  /** Rejects with LOG_CLOSED instead of waiting once `stop` was called. */
  async run<Result>(operation: () => Promise<Result>): Promise<Result> {
    let refused: Refused | undefined;
    try {
      for (;;) {
        try {
          return await operation();
        } catch (error) {
          if (!(error instanceof DiskError && error.retryable)) throw error;
          refused ??= { error, wake: undefined };
          refused.error = error;
          this.#refused.add(refused);
        }
        await this.#pause(refused);
      }
    } finally {
      if (refused !== undefined) this.#refused.delete(refused);
    }
  }

  /** Has every waiting operation carried out again now. */
  retryNow(): void {
    for (const refused of this.#refused) refused.wake?.();
  }

  /** Resolves when `work` is done, or an operation begins to wait, whichever comes first. */
  async doneOrRefused(work: Promise<void>): Promise<void> {
    let onPause = (): void => undefined;
    const paused = new Promise<void>((resolve) => {
      onPause = resolve;
    });
    this.#onPause.add(onPause);
    try {
      await Promise.race([work, paused]);
    } finally {
      this.#onPause.delete(onPause);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.retryNow();
  }

  async #pause(refused: Refused): Promise<void> {
    for (const resume of this.#onPause) resume();
    let timer: Timer | undefined;
    if (!this.#stopped) {
      await new Promise<void>((resolve) => {
        refused.wake = resolve;
        timer = this.#timers.after(RETRY_MS, resolve);
      });
    }
    timer?.cancel();
    refused.wake = undefined;
    if (this.#stopped) {
      throw new LogError(
        'LOG_CLOSED',
        'the log was closed while it waited for space',
        refused.error,
      );
    }
  }
}
