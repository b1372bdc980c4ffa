/**
 * Sessions: why a batch that is proposed twice is applied once (Raft thesis, 6.3).
 *
 * A session is one incarnation of a gateway. It keeps the outcomes of its applied batches from
 * `doneBelow` up; a batch whose outcome is there is not applied again, whatever order batches come
 * in. Below `doneBelow` the outcome may be gone, so such a batch is refused.
 *
 * Invariants
 *   1. outcomes are stored exactly for the applied batches in doneBelow..highest
 *   2. highest < doneBelow + 4,096, so there are at most that many
 *   3. doneBelow and expiresAt only grow; a live session is never evicted
 *
 * Headers change with nearly every batch, so they are changed in memory and written once per
 * entry; between entries memory is a bounded cache of what is stored.
 */
import { assert, ByteReader, ByteWriter, logTimeMs, type LogTimeMs } from '@kvstore/std';
import type { ExpiryIndex } from './expiry-index.ts';
import { readU64, writeU64 } from './fixed-fields.ts';
import { after } from './log-time.ts';
import { ExpiryKind, sessionBatchKey, sessionKey } from './ordered-keys.ts';
import type { OrderedStore } from './ordered-store.ts';
import { STALE, WINDOW_EXCEEDED } from './outcome-codec.ts';
import type { SystemState } from './system-state.ts';

/** Batches of one session that may be outstanding. */
const OUTSTANDING_MAX = 4096;
/** An opening extends sessions by their time to live, but by no more than this. */
const OPENING_EXTENSION_MS_MAX = 5_000;
const HEADER_BYTES = 32;

/** Handed out by `live` for one batch; only the table changes it. */
export interface Session {
  readonly id: number;
  readonly ttlMs: number;
  expiresAt: LogTimeMs;
  doneBelow: number;
  /** The highest batch number applied; 0 before the first. */
  highest: number;
  /** Differs from what is stored. */
  changed: boolean;
}

interface Numbered {
  readonly batchNo: number;
  readonly doneBelow: number;
}

export class SessionTable {
  readonly #store: OrderedStore;
  readonly #state: SystemState;
  readonly #expiry: ExpiryIndex;
  readonly #cacheEntriesMax: number;
  /** Least recently used first. Above its bound only within an entry. */
  readonly #cache = new Map<number, Session>();
  readonly #changed: Session[] = [];

  constructor(
    store: OrderedStore,
    state: SystemState,
    expiry: ExpiryIndex,
    cacheEntriesMax: number,
  ) {
    this.#store = store;
    this.#state = state;
    this.#expiry = expiry;
    this.#cacheEntriesMax = cacheEntriesMax;
  }

  register(id: number, ttlMs: number): void {
    const expiresAt = after(this.#state.logTime, ttlMs);
    const session = { id, ttlMs, expiresAt, doneBelow: 1, highest: 0, changed: false };
    this.#cache.set(id, session);
    this.#change(session);
    this.#expiry.insert(expiresAt, ExpiryKind.session, idBytes(id));
  }

  /** Undefined when it is unknown, or past its end though not removed yet. */
  live(id: number): Session | undefined {
    const session = this.#find(id);
    return session !== undefined && this.#endOf(session) > this.#state.logTime
      ? session
      : undefined;
  }

  /** What is to be answered instead of applying the batch; undefined when it is to be applied. */
  refusal(session: Session, batch: Numbered): Uint8Array | undefined {
    const { batchNo } = batch;
    if (batchNo < session.doneBelow) return STALE;
    if (batchNo <= session.highest) {
      const stored = this.#store.get(sessionBatchKey(session.id, batchNo));
      if (stored !== undefined) return stored.slice();
    }
    const doneBelow = doneBelowAfter(session, batch);
    return batchNo >= doneBelow + OUTSTANDING_MAX ? WINDOW_EXCEEDED : undefined;
  }

  /** The batch was applied with these encoded outcomes, which go to the store. */
  applied(session: Session, batch: Numbered, outcomes: Uint8Array): void {
    this.#store.put(sessionBatchKey(session.id, batch.batchNo), outcomes);
    this.#forgetBelow(session, doneBelowAfter(session, batch));
    session.highest = Math.max(session.highest, batch.batchNo);
    const extended = after(this.#state.logTime, session.ttlMs);
    if (extended > session.expiresAt) session.expiresAt = extended;
    this.#change(session);
    assert(session.highest < session.doneBelow + OUTSTANDING_MAX, 'session window exceeded');
  }

  /** Ends the entry: writes changed headers, brings the cache back to its bound. */
  flush(): void {
    for (const session of this.#changed) this.#writeHeader(session);
    this.#changed.length = 0;
    for (const id of this.#cache.keys()) {
      if (this.#cache.size <= this.#cacheEntriesMax) break;
      this.#cache.delete(id);
    }
  }

  /**
   * The expiry index says that a session may have ended: removes it, or moves its entry to its real
   * end. Returns the work done, at most `workMax` >= 1 removals; the entry stays while outcomes are
   * left, of a session that by then is unknown.
   */
  expire(indexId: Uint8Array, dueAt: LogTimeMs, workMax: number): number {
    assert(this.#changed.length === 0, 'sessions expire before any batch of the entry');
    const id = readU64(indexId, 0);
    const session = this.#find(id);
    const end = session === undefined ? dueAt : this.#endOf(session);
    if (end > this.#state.logTime) {
      this.#expiry.remove(dueAt, ExpiryKind.session, indexId);
      this.#expiry.insert(end, ExpiryKind.session, indexId);
      return 1;
    }
    if (session !== undefined) {
      this.#store.delete(sessionKey(id));
      this.#cache.delete(id);
    }
    const batchKeys = this.#batchKeys(id, workMax);
    for (const key of batchKeys) this.#store.delete(key);
    if (batchKeys.length < workMax) this.#expiry.remove(dueAt, ExpiryKind.session, indexId);
    return Math.max(1, batchKeys.length);
  }

  /** What a retry of the batch would be answered, when that is known. */
  outcome(id: number, batchNo: number): Uint8Array | 'unknown-session' | 'not-applied' {
    const stored = this.#store.get(sessionBatchKey(id, batchNo));
    if (stored !== undefined) return stored.slice();
    const session = this.live(id);
    if (session === undefined) return 'unknown-session';
    return batchNo < session.doneBelow ? STALE : 'not-applied';
  }

  #find(id: number): Session | undefined {
    const cached = this.#cache.get(id);
    if (cached !== undefined) {
      this.#cache.delete(id);
      this.#cache.set(id, cached);
      return cached;
    }
    const stored = this.#store.get(sessionKey(id));
    if (stored === undefined) return undefined;
    const session = decodeSession(id, stored);
    this.#cache.set(id, session);
    return session;
  }

  #endOf(session: Session): LogTimeMs {
    const extension = Math.min(session.ttlMs, OPENING_EXTENSION_MS_MAX);
    const opened = after(this.#state.openedAt, extension);
    return opened > session.expiresAt ? opened : session.expiresAt;
  }

  #change(session: Session): void {
    if (session.changed) return;
    session.changed = true;
    this.#changed.push(session);
  }

  /** Bounded by invariant 2 however far `doneBelow` jumps. */
  #forgetBelow(session: Session, doneBelow: number): void {
    const end = Math.min(doneBelow, session.highest + 1);
    for (let batchNo = session.doneBelow; batchNo < end; batchNo++) {
      this.#store.delete(sessionBatchKey(session.id, batchNo));
    }
    session.doneBelow = doneBelow;
  }

  #writeHeader(session: Session): void {
    this.#store.put(sessionKey(session.id), encodeSession(session));
    session.changed = false;
  }

  #batchKeys(id: number, limit: number): readonly Uint8Array[] {
    const keys: Uint8Array[] = [];
    const bounds = { from: sessionBatchKey(id, 0), to: sessionBatchKey(id + 1, 0) };
    for (const { key } of this.#store.scan(bounds)) {
      keys.push(key.slice());
      if (keys.length === limit) break;
    }
    return keys;
  }
}

/** A batch never asks to forget itself or what comes after it. */
function doneBelowAfter(session: Session, batch: Numbered): number {
  return Math.max(session.doneBelow, Math.min(batch.doneBelow, batch.batchNo));
}

function idBytes(id: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU64(bytes, 0, id);
  return bytes;
}

export function encodeSession({ ttlMs, expiresAt, doneBelow, highest }: Session): Uint8Array {
  const writer = new ByteWriter(HEADER_BYTES).u64(ttlMs).u64(expiresAt);
  return writer.u64(doneBelow).u64(highest).finish();
}

/** Throws `DecodeError`. */
export function decodeSession(id: number, bytes: Uint8Array): Session {
  const reader = new ByteReader(bytes);
  const ttlMs = reader.u64();
  const expiresAt = logTimeMs(reader.u64());
  const doneBelow = reader.u64();
  const highest = reader.u64();
  reader.end();
  return { id, ttlMs, expiresAt, doneBelow, highest, changed: false };
}
