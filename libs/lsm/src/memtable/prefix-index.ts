/**
 * Which node of a memtable comes first among those with the same filter prefix: a hash table with
 * open addressing and linear probing, from the hash of a prefix to a node's address.
 *
 * It knows hashes and addresses alone; whether a node has the prefix that was looked for is the
 * memtable's to say. A probe is at most 128 slots long, whatever keys a client has made up (at a load of one half, as
 * many are not met by chance): a prefix that finds no place within them is not in the index, and
 * `complete` is false from then on.
 *
 * Invariant: a prefix in the index is there with its first node. So once it is incomplete no prefix is
 * added: one that is not found may have nodes already.
 */
const SLOTS_MIN = 1024;
const PROBE_MAX = 128;
/** Words of a slot: hash, node; node 0 is an empty slot. */
const SLOT_WORDS = 2;

export class PrefixIndex {
  #slots = new Int32Array(SLOTS_MIN * SLOT_WORDS);
  #mask = SLOTS_MIN - 1;
  #used = 0;
  #complete = true;

  /** Whether a prefix that is not found has no node. */
  get complete(): boolean {
    return this.#complete;
  }

  /** The first node under this hash that `isIt`, or 0. */
  find(hash: number, isIt: (node: number) => boolean): number {
    for (let probe = 0; probe < PROBE_MAX; probe++) {
      const slot = ((hash + probe) & this.#mask) * SLOT_WORDS;
      const node = this.#slots[slot + 1] as number;
      if (node === 0) return 0;
      if (this.#slots[slot] === hash && isIt(node)) return node;
    }
    return 0;
  }

  /** Puts `node` in the place of `before`, which `find` has returned for the same hash. */
  replace(hash: number, before: number, node: number): void {
    for (let probe = 0; probe < PROBE_MAX; probe++) {
      const slot = ((hash + probe) & this.#mask) * SLOT_WORDS;
      if (this.#slots[slot + 1] !== before) continue;
      this.#slots[slot + 1] = node;
      return;
    }
  }

  /** Adds a prefix that `find` has not found. */
  add(hash: number, node: number): void {
    if (!this.#complete) return;
    if (2 * (this.#used + 1) > this.#mask + 1) this.#grow();
    this.#insert(hash, node);
  }

  #insert(hash: number, node: number): void {
    for (let probe = 0; probe < PROBE_MAX; probe++) {
      const slot = ((hash + probe) & this.#mask) * SLOT_WORDS;
      if (this.#slots[slot + 1] !== 0) continue;
      this.#slots[slot] = hash;
      this.#slots[slot + 1] = node;
      this.#used += 1;
      return;
    }
    this.#complete = false;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#mask = this.#mask * 2 + 1;
    this.#used = 0;
    for (let slot = 0; slot < old.length; slot += SLOT_WORDS) {
      const node = old[slot + 1] as number;
      if (node !== 0) this.#insert(old[slot] as number, node);
    }
  }
}
