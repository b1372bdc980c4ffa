/**
 * How soon another epoch may begin. An epoch archives the log once more from its beginning, so
 * whatever keeps destroying streams must not make the leader do that without end. Pure.
 *
 * The pause after an epoch doubles with every epoch, and is short again after a long quiet time.
 */
export class EpochBudget {
  readonly #pauseMsMin: number;
  readonly #pauseMsMax: number;
  #pauseMs: number;
  #begunAtMs = Number.NEGATIVE_INFINITY;

  constructor(pauseMsMin: number, pauseMsMax: number) {
    this.#pauseMsMin = pauseMsMin;
    this.#pauseMsMax = pauseMsMax;
    this.#pauseMs = pauseMsMin;
  }

  /** Not before this may the next epoch begin; monotonic. */
  get nextAtMs(): number {
    return this.#begunAtMs + this.#pauseMs;
  }

  begun(nowMs: number): void {
    const quietMs = nowMs - this.#begunAtMs;
    const calm = quietMs > this.#pauseMsMax + this.#pauseMs;
    this.#pauseMs = calm ? this.#pauseMsMin : Math.min(this.#pauseMs * 2, this.#pauseMsMax);
    this.#begunAtMs = nowMs;
  }
}
