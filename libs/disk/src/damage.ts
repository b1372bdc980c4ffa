/**
 * Damage that is found while a log is opened. Whoever opens it decides once whether the log may go on
 * without what is lost (`onDamage`): before anything is written, so that this decision is durable first.
 */
import { LogError } from '@kvstore/sequencer';

export class Damage {
  readonly #onDamage: ((error: LogError) => Promise<void>) | undefined;
  #error: LogError | undefined;

  constructor(onDamage: ((error: LogError) => Promise<void>) | undefined) {
    this.#onDamage = onDamage;
  }

  /** What was found first. */
  get error(): LogError | undefined {
    return this.#error;
  }

  /** Resolves when the log may do without; rejects with `error` otherwise. */
  async accept(error: unknown): Promise<void> {
    const isDamage = error instanceof LogError && error.code === 'LOG_CORRUPT';
    if (!isDamage || this.#onDamage === undefined) throw error;
    if (this.#error !== undefined) return;
    await this.#onDamage(error);
    this.#error = error;
  }
}
