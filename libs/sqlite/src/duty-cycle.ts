/**
 * Long work in a thread of its own, done in slices with rests between them, so that threads which wake for a
 * moment find a core: where there are no more cores than busy threads, each of them would else wait for a
 * whole time slice of the scheduler, and a request passes through a dozen.
 *
 * Whoever waits for the work says so through memory that both threads share; then there are no rests.
 */
const SLICE_MS = 1;
const REST_MS = 2;
const AT_EASE = 0;
const HURRIED = 1;

/** The other threads' end. */
export class Hurry {
  readonly shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #state = new Int32Array(this.shared);

  /** No rests from now on; ends one that is being taken. */
  begin(): void {
    Atomics.store(this.#state, 0, HURRIED);
    Atomics.notify(this.#state, 0);
  }

  end(): void {
    Atomics.store(this.#state, 0, AT_EASE);
  }
}

export class DutyCycle {
  readonly #state: Int32Array;
  #sliceFrom = performance.now();

  /** `shared`: that of the `Hurry`. */
  constructor(shared: SharedArrayBuffer) {
    this.#state = new Int32Array(shared);
  }

  /** To be called between two steps of a fraction of a millisecond. Whether it blocked the thread for a rest. */
  step(): boolean {
    if (performance.now() - this.#sliceFrom < SLICE_MS) return false;
    const ended = Atomics.wait(this.#state, 0, AT_EASE, REST_MS);
    this.#sliceFrom = performance.now();
    return ended !== 'not-equal';
  }
}
