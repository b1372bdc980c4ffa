/**
 * Streams that this side ended while the peer still sent: their late frames are no error. Only the last
 * ones are remembered; frames of one that was forgotten are treated as those of any closed stream.
 */
const REMEMBERED_MAX = 2_048;

export class ClosedStreams {
  readonly #ids = new Set<number>();

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= REMEMBERED_MAX) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
