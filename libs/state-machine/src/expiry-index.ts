/**
 * What ends by log time, ordered by when: user keys, sessions, idempotency keys.
 *
 * Entries of keys and idempotency keys are exact: they are removed together with what they refer
 * to. A session's entry may be early: sessions are extended without touching the index, and an
 * early entry is moved to the session's real end when it comes up (`session-table.ts`).
 *
 * The earliest due time is cached as a lower bound. Besides sparing a look into the store per
 * entry, it lets a scan start behind the tombstones of what has ended already.
 */
import { assert } from '@kvstore/std';
import {
  decodeExpiryKey,
  dueAtOf,
  EXPIRY_END,
  expiryFrom,
  type ExpiryItem,
  type ExpiryKind,
  expiryKey,
} from './ordered-keys.ts';
import type { OrderedStore } from './ordered-store.ts';

const NOTHING = new Uint8Array(0);

export class ExpiryIndex {
  readonly #store: OrderedStore;
  /** Invariant: no entry is due before this; Infinity when there is none. */
  #earliest = 0;
  /** True when an entry is due exactly then, or there is none. */
  #exact = false;

  constructor(store: OrderedStore) {
    this.#store = store;
  }

  insert(dueAt: number, kind: ExpiryKind, id: Uint8Array): void {
    this.#store.put(expiryKey(dueAt, kind, id), NOTHING);
    if (dueAt > this.#earliest) return;
    this.#earliest = dueAt;
    this.#exact = true;
  }

  remove(dueAt: number, kind: ExpiryKind, id: Uint8Array): void {
    assert(dueAt >= this.#earliest, 'an expiry entry before the earliest one');
    this.#store.delete(expiryKey(dueAt, kind, id));
    if (dueAt === this.#earliest) this.#exact = false;
  }

  /** When the first entry is due; undefined when there is none. */
  get earliest(): number | undefined {
    if (!this.#exact) this.#settle();
    return this.#earliest === Infinity ? undefined : this.#earliest;
  }

  /** Up to `limit` entries due at or before `now`, earliest first, owned by the caller. */
  due(now: number, limit: number): readonly ExpiryItem[] {
    if (this.#earliest > now) return [];
    this.#settle();
    if (this.#earliest > now) return [];
    const items: ExpiryItem[] = [];
    const bounds = { from: expiryFrom(this.#earliest), to: expiryFrom(now + 1) };
    for (const { key } of this.#store.scan(bounds)) {
      items.push(decodeExpiryKey(key.slice()));
      if (items.length === limit) break;
    }
    return items;
  }

  #settle(): void {
    const bounds = { from: expiryFrom(this.#earliest), to: EXPIRY_END };
    this.#earliest = Infinity;
    this.#exact = true;
    for (const { key } of this.#store.scan(bounds)) {
      this.#earliest = dueAtOf(key);
      return;
    }
  }
}
