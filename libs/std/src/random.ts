/** Randomness as a port, so that a seed reproduces a run: cores never reach for a global source. */
import { assert } from './assert.ts';

export interface Random {
  /** A uniform integer in [0, bound); `bound` is 1..2^32. */
  below(bound: number): number;
}

/** sfc32 (Doty-Humphrey, PractRand): small, fast, seeded; not for secrets. */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = 0;
    this.#b = seed | 0;
    this.#c = Math.floor(seed / 0x1_0000_0000) | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  below(bound: number): number {
    assert(bound >= 1 && bound <= 0x1_0000_0000, 'random bound out of range');
    return Math.floor((this.#next() / 0x1_0000_0000) * bound);
  }

  #next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }
}
