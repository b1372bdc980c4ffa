/**
 * Idempotency keys: a client's own retry, over another gateway or a day later, applies once.
 *
 *   (principal, namespace, idempotency key) → u64 digest · u64 expires at · outcome
 *
 * The outcome is kept whatever it was, a failed condition too, for 24 hours of log time.
 */
import type { LogTimeMs } from '@kvstore/std';
import type { ExpiryIndex } from './expiry-index.ts';
import { readU64, writeU64 } from './fixed-fields.ts';
import { after } from './log-time.ts';
import { ExpiryKind } from './ordered-keys.ts';
import type { OrderedStore } from './ordered-store.ts';
import type { SystemState } from './system-state.ts';

const IDEMPOTENCY_MS = 24 * 60 * 60 * 1000;
const OUTCOME_OFFSET = 16;

export interface RememberedOutcome {
  readonly digest: number;
  /** As `encodeOutcome` wrote it; a view, valid until the next write. */
  readonly outcome: Uint8Array;
}

export class IdempotencyTable {
  readonly #store: OrderedStore;
  readonly #state: SystemState;
  readonly #expiry: ExpiryIndex;

  constructor(store: OrderedStore, state: SystemState, expiry: ExpiryIndex) {
    this.#store = store;
    this.#state = state;
    this.#expiry = expiry;
  }

  /** Undefined when the key is new, or past its end: then its remains are removed first. */
  find(tableKey: Uint8Array): RememberedOutcome | undefined {
    const stored = this.#store.get(tableKey);
    if (stored === undefined) return undefined;
    const expiresAt = readU64(stored, 8) as LogTimeMs;
    if (expiresAt > this.#state.logTime) {
      return { digest: readU64(stored, 0), outcome: stored.subarray(OUTCOME_OFFSET) };
    }
    this.expire(tableKey, expiresAt);
    return undefined;
  }

  remember(tableKey: Uint8Array, digest: number, outcome: Uint8Array): void {
    const expiresAt = after(this.#state.logTime, IDEMPOTENCY_MS);
    const bytes = new Uint8Array(OUTCOME_OFFSET + outcome.length);
    writeU64(bytes, 0, digest);
    writeU64(bytes, 8, expiresAt);
    bytes.set(outcome, OUTCOME_OFFSET);
    this.#store.put(tableKey, bytes);
    this.#expiry.insert(expiresAt, ExpiryKind.idempotency, tableKey);
  }

  expire(tableKey: Uint8Array, dueAt: LogTimeMs): void {
    this.#store.delete(tableKey);
    this.#expiry.remove(dueAt, ExpiryKind.idempotency, tableKey);
  }
}
