/**
 * Merges sorted cursors into one, a binary heap on (key, age): of several entries under one key the
 * newest is given and the older ones are skipped. Tombstones are entries; who reads hides them.
 */
import { compareBytes } from '@kvstore/std';
import type { Cursor } from './cursor.ts';
import type { Stored } from './stored.ts';

interface Run {
  readonly cursor: Cursor;
  /** 0 is the newest layer. */
  readonly age: number;
  key: Uint8Array;
}

export class MergeCursor implements Cursor {
  readonly #heap: Run[] = [];
  readonly #sign: 1 | -1;

  /** `cursors` from the newest layer to the oldest, all moving the same way. */
  constructor(cursors: readonly Cursor[], reverse: boolean) {
    this.#sign = reverse ? -1 : 1;
    for (let age = 0; age < cursors.length; age++) {
      const cursor = cursors[age] as Cursor;
      if (!cursor.done) this.#heap.push({ cursor, age, key: cursor.key });
    }
    for (let i = (this.#heap.length >>> 1) - 1; i >= 0; i--) this.#siftDown(i);
  }

  get done(): boolean {
    return this.#heap.length === 0;
  }

  get key(): Uint8Array {
    return (this.#heap[0] as Run).key;
  }

  get value(): Stored {
    return (this.#heap[0] as Run).cursor.value;
  }

  next(): void {
    const { key } = this;
    do this.#advance();
    while (this.#heap.length > 0 && compareBytes(this.key, key) === 0);
  }

  #advance(): void {
    const heap = this.#heap;
    const top = heap[0] as Run;
    top.cursor.next();
    if (top.cursor.done) {
      const last = heap.pop() as Run;
      if (heap.length === 0) return;
      heap[0] = last;
    } else {
      top.key = top.cursor.key;
    }
    this.#siftDown(0);
  }

  #siftDown(start: number): void {
    const heap = this.#heap;
    const run = heap[start] as Run;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] as Run, heap[child] as Run))
        child++;
      if (!this.#before(heap[child] as Run, run)) break;
      heap[at] = heap[child] as Run;
      at = child;
    }
    heap[at] = run;
  }

  #before(a: Run, b: Run): boolean {
    const order = compareBytes(a.key, b.key) * this.#sign;
    return order === 0 ? a.age < b.age : order < 0;
  }
}
