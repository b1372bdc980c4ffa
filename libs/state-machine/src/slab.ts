/**
 * Buffers for records, cut from large ones: an array of its own per record costs nearly
 * as much as the rest of a put. Nothing is ever handed out twice, so what is cut may be given
 * away; who keeps a piece keeps the large buffer around it.
 */
const SLAB_BYTES = 64 * 1024;
/** Larger pieces get a buffer of their own, so that little of a slab is left unused. */
const PIECE_BYTES_MAX = 8 * 1024;

export class Slab {
  #bytes = new Uint8Array(0);
  #used = 0;

  /** `length` zero bytes, owned by the caller. */
  take(length: number): Uint8Array {
    if (length > PIECE_BYTES_MAX) return new Uint8Array(length);
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const piece = this.#bytes.subarray(this.#used, this.#used + length);
    this.#used += length;
    return piece;
  }
}
