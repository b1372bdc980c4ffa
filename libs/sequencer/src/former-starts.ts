/**
 * Tells frames of an earlier start of a process from those of its present one: what a process of this id
 * sent before it ended, and what a copy of its disk would send, must not count again.
 */
import type { Sender } from '@kvstore/contract';

/** More names than there can be members, and removed ones beside them. */
const NAMES_MAX = 512;

export class FormerStarts {
  readonly #newest = new Map<string, number>();

  /** Whether a later start of this sender was heard already; takes note of it otherwise. */
  isFormer({ name, incarnation }: Sender): boolean {
    const newest = this.#newest.get(name);
    if (newest !== undefined && incarnation < newest) return true;
    if (newest === undefined && this.#newest.size >= NAMES_MAX) this.#newest.clear();
    if (incarnation !== newest) this.#newest.set(name, incarnation);
    return false;
  }
}
