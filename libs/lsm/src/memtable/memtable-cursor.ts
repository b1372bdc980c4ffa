/** Walks a memtable's list either way: next and previous links both exist at level 0. */
import type { Cursor } from '../cursor.ts';
import type { Stored } from '../stored.ts';

const NOTHING = new Uint8Array(0);

/** The list as a cursor walks it; node 0 is the end either way. */
export interface MemtableNodes {
  keyOf(node: number): Uint8Array;
  valueOf(node: number): Stored;
  nextOf(node: number): number;
  previousOf(node: number): number;
}

export class MemtableCursor implements Cursor {
  readonly #memtable: MemtableNodes;
  readonly #reverse: boolean;
  #node: number;
  #key: Uint8Array = NOTHING;

  constructor(memtable: MemtableNodes, node: number, reverse: boolean) {
    this.#memtable = memtable;
    this.#reverse = reverse;
    this.#node = node;
    this.#readKey();
  }

  get done(): boolean {
    return this.#node === 0;
  }

  get key(): Uint8Array {
    return this.#key;
  }

  get value(): Stored {
    return this.#memtable.valueOf(this.#node);
  }

  next(): void {
    this.#node = this.#reverse
      ? this.#memtable.previousOf(this.#node)
      : this.#memtable.nextOf(this.#node);
    this.#readKey();
  }

  #readKey(): void {
    if (this.#node !== 0) this.#key = this.#memtable.keyOf(this.#node);
  }
}
