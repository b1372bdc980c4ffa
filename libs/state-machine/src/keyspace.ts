/**
 * User keys and their versions. A write adds a version and its place in the order of revisions;
 * nothing is overwritten, and a removal is a version of its own (a tombstone), so the past can be
 * read at every revision above the watermark.
 *
 * Invariants
 *   1. the newest version of a key has the highest revision of all its versions, <= state.revision
 *   2. state.keys and state.bytes count exactly the keys whose newest version is a value
 *   3. a live version with an end has exactly one entry in the expiry index, at that end
 */
import { assert, type LogTimeMs, type Revision } from '@kvstore/std';
import { isKey, isNamespace } from './command-validity.ts';
import type { PutCommand } from './command.ts';
import type { ExpiryIndex } from './expiry-index.ts';
import { after } from './log-time.ts';
import {
  changeKey,
  decodeIdentity,
  ExpiryKind,
  identityOf,
  newestVersionKey,
  newestVersionKeyOf,
  setRevision,
  versionPrefixLength,
} from './ordered-keys.ts';
import type { OrderedStore } from './ordered-store.ts';
import type { Outcome } from './outcome.ts';
import { Slab } from './slab.ts';
import {
  encodeTombstone,
  encodeValueRecord,
  isValueRecord,
  readExpiresAt,
  readVersion,
  type TombstoneCause,
  type Version,
} from './stored-record.ts';
import type { SystemState } from './system-state.ts';

export type ReadResult =
  /** `record` is a view, valid until the next entry is applied: see `decodeRecord`. */
  | { readonly kind: 'found'; readonly record: Uint8Array }
  | { readonly kind: 'not-found' }
  /** History at that revision is gone. */
  | { readonly kind: 'compacted'; readonly oldest: Revision }
  /** The revision does not exist yet. */
  | { readonly kind: 'future' };

const NOT_FOUND: ReadResult = { kind: 'not-found' };
const FUTURE: ReadResult = { kind: 'future' };

export class Keyspace {
  readonly #store: OrderedStore;
  readonly #state: SystemState;
  readonly #expiry: ExpiryIndex;
  readonly #slab = new Slab();

  constructor(store: OrderedStore, state: SystemState, expiry: ExpiryIndex) {
    this.#store = store;
    this.#state = state;
    this.#expiry = expiry;
  }

  /**
   * A key as one command sees it. A key that is due but was left over by this entry's expiry is
   * expired here, with a revision of its own, so that no command meets a key past its end.
   */
  touch(namespace: string, key: Uint8Array): KeyAtHand {
    const probe = newestVersionKey(namespace, key);
    const newest = this.#newest(probe);
    if (newest === undefined) return { probe, keyLength: key.length, live: undefined };
    if (newest.expiresAt === undefined || newest.expiresAt > this.#state.logTime) {
      return { probe, keyLength: key.length, live: newest };
    }
    this.#remove(probe, key.length, newest, 'expire');
    return { probe: newestVersionKey(namespace, key), keyLength: key.length, live: undefined };
  }

  /** Consumes `at`: its bytes go to the store. */
  put(at: KeyAtHand, command: PutCommand): Outcome {
    const { probe, live } = at;
    const now = this.#state.logTime;
    const revision = this.#state.advanceRevision();
    const expiresAt = command.ttlMs === undefined ? undefined : after(now, command.ttlMs);
    const version = live === undefined ? 1 : live.version + 1;
    const createRevision = live === undefined ? revision : live.createRevision;
    const createdAt = live === undefined ? now : live.createdAt;
    const identity = identityOf(probe);
    const record = encodeValueRecord(
      {
        modRevision: revision,
        createRevision,
        version,
        createdAt,
        updatedAt: now,
        expiresAt,
        contentType: command.contentType,
        tags: command.tags,
        value: command.value,
      },
      this.#slab,
    );
    this.#write(probe, identity, revision, record);
    if (live === undefined) this.#state.keys += 1;
    this.#state.bytes += command.value.length;
    this.#state.bytes += live === undefined ? at.keyLength : -live.valueLength;
    this.#moveEnd(identity, live?.expiresAt, expiresAt);
    return { kind: 'put', revision, version, createRevision, createdAt, updatedAt: now, expiresAt };
  }

  /** Consumes `at`: its bytes go to the store. */
  delete(at: KeyAtHand): Outcome {
    const existed = at.live !== undefined;
    if (at.live !== undefined) this.#remove(at.probe, at.keyLength, at.live, 'delete');
    return { kind: 'deleted', revision: this.#state.revision, existed };
  }

  /** Ends the key that the expiry index says is due at `dueAt`. */
  expire(identity: Uint8Array, dueAt: LogTimeMs): void {
    const probe = newestVersionKeyOf(identity);
    const newest = this.#newest(probe);
    assert(newest?.expiresAt === dueAt, 'the expiry index disagrees with the key');
    this.#remove(probe, decodeIdentity(identity).key.length, newest, 'expire');
  }

  /**
   * The key now, or as it was at `atRevision`. Now, a key past its end is not found although its
   * removal may still be waiting for its turn; at a revision, the answer never changes.
   */
  read(namespace: string, key: Uint8Array, atRevision: Revision | undefined): ReadResult {
    const { revision, watermark, logTime } = this.#state;
    if (atRevision !== undefined && atRevision > revision) return FUTURE;
    if (atRevision !== undefined && atRevision < watermark) {
      return { kind: 'compacted', oldest: watermark };
    }
    if (!isNamespace(namespace) || !isKey(key)) return NOT_FOUND;
    const probe = newestVersionKey(namespace, key);
    if (atRevision !== undefined) setRevision(probe, atRevision);
    const record = this.#store.newest(probe, versionPrefixLength(probe));
    if (record === undefined || !isValueRecord(record)) return NOT_FOUND;
    if (atRevision === undefined) {
      const expiresAt = readExpiresAt(record);
      if (expiresAt !== undefined && expiresAt <= logTime) return NOT_FOUND;
    }
    return { kind: 'found', record };
  }

  #newest(probe: Uint8Array): Version | undefined {
    const record = this.#store.newest(probe, versionPrefixLength(probe));
    return record === undefined ? undefined : readVersion(record);
  }

  #remove(probe: Uint8Array, keyLength: number, live: Version, cause: TombstoneCause): void {
    const revision = this.#state.advanceRevision();
    const identity = identityOf(probe);
    this.#write(probe, identity, revision, encodeTombstone(revision, cause, this.#state.logTime));
    this.#state.keys -= 1;
    this.#state.bytes -= keyLength + live.valueLength;
    assert(this.#state.keys >= 0 && this.#state.bytes >= 0, 'live keys and bytes below zero');
    this.#moveEnd(identity, live.expiresAt, undefined);
  }

  #write(probe: Uint8Array, identity: Uint8Array, revision: Revision, record: Uint8Array): void {
    setRevision(probe, revision);
    this.#store.put(probe, record);
    this.#store.put(changeKey(revision, 0), identity);
  }

  #moveEnd(identity: Uint8Array, from: LogTimeMs | undefined, to: LogTimeMs | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.#expiry.remove(from, ExpiryKind.key, identity);
    if (to !== undefined) this.#expiry.insert(to, ExpiryKind.key, identity);
  }
}

/** A key between being looked up and being written. */
export interface KeyAtHand {
  /** The key before every version of it. Becomes the written version's key. */
  readonly probe: Uint8Array;
  readonly keyLength: number;
  /** Its newest version, unless there is none or it is a tombstone. */
  readonly live: Version | undefined;
}
