/**
 * The deterministic state machine: entries of the log in, outcomes out (thesis 3.2, 6.3).
 *
 * Invariants
 *   1. entries are applied exactly once, in order, without a gap; the index is stored with their
 *      effects, so this holds across restarts too
 *   2. state and outcomes are a function of the entries alone: no clock, no randomness, no locale;
 *      time is log time, the highest stamp so far
 *   3. everything that apply reads is in the store, written by apply; memory holds bounded caches
 *   4. apply never throws on a command: a broken one has the outcome `invalidArgument`
 *   5. the revision grows by one per change of a key: a put, a delete of a key, an expiry
 *
 * Not its business: durability and which entries to apply (the replica), who may do what (the
 * gateway), waiting for an index or a revision (the replica).
 */
import {
  assert,
  assertNever,
  ByteWriter,
  isCount,
  type LogIndex,
  type LogTimeMs,
  type Revision,
  type Term,
} from '@kvstore/std';
import { invalidReason, invalidSession } from './command-validity.ts';
import type {
  Batch,
  Command,
  Condition,
  DeleteCommand,
  PutCommand,
  RegisterSessionCommand,
} from './command.ts';
import { firstFailed } from './conditions.ts';
import { ExpiryIndex } from './expiry-index.ts';
import { IdempotencyTable } from './idempotency-table.ts';
import { type KeyAtHand, Keyspace, type ReadResult } from './keyspace.ts';
import { ExpiryKind, type ExpiryItem, idempotencyTableKey } from './ordered-keys.ts';
import type { OrderedStore } from './ordered-store.ts';
import {
  beginApplied,
  decodeOutcomes,
  encodeOutcome,
  SESSION_EXPIRED,
  STALE,
} from './outcome-codec.ts';
import { type BatchOutcome, type Outcome, RejectCode } from './outcome.ts';
import { SessionTable } from './session-table.ts';
import { SystemState } from './system-state.ts';

/** Keys, sessions and stored outcomes that one entry removes because their time is up. */
const EXPIRY_WORK_MAX = 1000;
/** Session ids are entry index × this + position of the command in the entry. */
const SESSIONS_PER_ENTRY_MAX = 1024;
const SESSION_CACHE_ENTRIES_MAX = 1024;
const DETAIL_CHARACTERS_MAX = 256;

export interface AppliedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  /** The first entry of its term. */
  readonly opening: boolean;
  /** The leader's log time; without one, log time stands still. */
  readonly stamp: LogTimeMs | undefined;
  readonly batches: readonly Batch[];
}

export interface StateMachineOptions {
  /** Session headers kept in memory; default 1,024. */
  readonly sessionCacheEntriesMax?: number;
}

export interface Statistics {
  /** Live keys. */
  readonly keys: number;
  /** Bytes of live keys and their values. */
  readonly bytes: number;
}

export class StateMachine {
  readonly #store: OrderedStore;
  readonly #state: SystemState;
  readonly #expiry: ExpiryIndex;
  readonly #keyspace: Keyspace;
  readonly #sessions: SessionTable;
  readonly #idempotency: IdempotencyTable;
  readonly #outcomes = new ByteWriter(4096);

  /** Continues where the store stands; an empty store is the state before entry 1. */
  constructor(store: OrderedStore, options: StateMachineOptions = {}) {
    const cacheEntriesMax = options.sessionCacheEntriesMax ?? SESSION_CACHE_ENTRIES_MAX;
    this.#store = store;
    this.#state = SystemState.load(store);
    this.#expiry = new ExpiryIndex(store);
    this.#keyspace = new Keyspace(store, this.#state, this.#expiry);
    this.#sessions = new SessionTable(store, this.#state, this.#expiry, cacheEntriesMax);
    this.#idempotency = new IdempotencyTable(store, this.#state, this.#expiry);
  }

  /** The last entry applied. */
  get appliedIndex(): LogIndex {
    return this.#state.appliedIndex;
  }

  get revision(): Revision {
    return this.#state.revision;
  }

  get logTime(): LogTimeMs {
    return this.#state.logTime;
  }

  get statistics(): Statistics {
    return { keys: this.#state.keys, bytes: this.#state.bytes };
  }

  /** When an entry should move log time for something to end in time; undefined when nothing waits. */
  get nextDue(): LogTimeMs | undefined {
    return this.#expiry.earliest as LogTimeMs | undefined;
  }

  /** The key now, or as it was at `atRevision`. */
  get(namespace: string, key: Uint8Array, atRevision?: Revision): ReadResult {
    return this.#keyspace.read(namespace, key, atRevision);
  }

  /**
   * What proposing the batch again would be answered, encoded and owned by the caller. Not applied
   * means not applied up to here: it may still be on its way.
   */
  storedOutcome(session: number, batchNo: number): Uint8Array | 'unknown-session' | 'not-applied' {
    return this.#sessions.outcome(session, batchNo);
  }

  /** Applies the entry after the last one. The bytes of its commands must not change afterwards. */
  apply(entry: AppliedEntry): AppliedResult {
    const state = this.#state;
    assert(entry.index === state.appliedIndex + 1, 'entries are applied in order, each once');
    assert(entry.term >= state.appliedTerm, 'terms never go down along the log');
    state.appliedIndex = entry.index;
    state.appliedTerm = entry.term;
    if (entry.stamp !== undefined && entry.stamp > state.logTime) state.logTime = entry.stamp;
    if (entry.opening) state.openedAt = state.logTime;
    this.#expireDue();
    const encoded: Uint8Array[] = [];
    let position = 0;
    for (const batch of entry.batches) {
      encoded.push(this.#applyBatch(batch, entry.index, position));
      position += batch.commands.length;
    }
    this.#sessions.flush();
    state.save(this.#store);
    return new AppliedResult(encoded, state.revision);
  }

  #expireDue(): void {
    let work = EXPIRY_WORK_MAX;
    for (const item of this.#expiry.due(this.#state.logTime, EXPIRY_WORK_MAX)) {
      if (work === 0) return;
      work -= this.#expire(item, work);
    }
  }

  /** Returns the work done, at most `workMax`. */
  #expire({ kind, id, dueAt }: ExpiryItem, workMax: number): number {
    const due = dueAt as LogTimeMs;
    switch (kind) {
      case ExpiryKind.key:
        this.#keyspace.expire(id, due);
        return 1;
      case ExpiryKind.session:
        return this.#sessions.expire(id, due, workMax);
      case ExpiryKind.idempotency:
        this.#idempotency.expire(id, due);
        return 1;
      default:
        return assertNever(kind);
    }
  }

  #applyBatch(batch: Batch, index: LogIndex, position: number): Uint8Array {
    if (batch.session === 0) return this.#applyCommands(batch, index, position);
    if (!isCount(batch.batchNo) || !isCount(batch.doneBelow)) return STALE;
    const session = this.#sessions.live(batch.session);
    if (session === undefined) return SESSION_EXPIRED;
    const refusal = this.#sessions.refusal(session, batch);
    if (refusal !== undefined) return refusal;
    const outcomes = this.#applyCommands(batch, index, position);
    this.#sessions.applied(session, batch, outcomes);
    return outcomes;
  }

  #applyCommands(batch: Batch, index: LogIndex, firstPosition: number): Uint8Array {
    const { commands } = batch;
    const writer = this.#outcomes;
    beginApplied(writer, commands.length);
    let position = firstPosition;
    for (const command of commands) {
      if (batch.session === 0 && command.kind !== 'register-session') {
        encodeOutcome(writer, this.#invalid('only a registration needs no session'));
      } else {
        this.#applyCommand(command, index, position);
      }
      position += 1;
    }
    return writer.finish();
  }

  /** Appends one outcome. */
  #applyCommand(command: Command, index: LogIndex, position: number): void {
    switch (command.kind) {
      case 'put':
      case 'delete':
        this.#applyOnce(command);
        return;
      case 'register-session':
        encodeOutcome(this.#outcomes, this.#registerSession(command, index, position));
        return;
      case 'keep-alive':
        encodeOutcome(this.#outcomes, { kind: 'kept-alive' });
        return;
      case 'malformed':
        encodeOutcome(this.#outcomes, this.#invalid(command.reason));
        return;
      default:
        assertNever(command);
    }
  }

  #applyOnce(command: PutCommand | DeleteCommand): void {
    const writer = this.#outcomes;
    const invalid = invalidReason(command);
    if (invalid !== undefined) {
      encodeOutcome(writer, this.#invalid(invalid));
      return;
    }
    if (command.idempotencyKey === undefined) {
      encodeOutcome(writer, this.#applyOnKey(command));
      return;
    }
    const { principal, namespace, idempotencyKey, digest } = command;
    const tableKey = idempotencyTableKey(principal, namespace, idempotencyKey);
    const remembered = this.#idempotency.find(tableKey);
    if (remembered === undefined) {
      const start = writer.length;
      encodeOutcome(writer, this.#applyOnKey(command));
      this.#idempotency.remember(tableKey, digest, writer.view().subarray(start));
    } else if (remembered.digest === digest) {
      writer.raw(remembered.outcome);
    } else {
      const detail = 'the idempotency key was used for another request';
      encodeOutcome(writer, this.#rejected(RejectCode.idempotencyConflict, detail));
    }
  }

  #applyOnKey(command: PutCommand | DeleteCommand): Outcome {
    const at = this.#keyspace.touch(command.namespace, command.key);
    const failed = firstFailed(command.conditions, at.live);
    if (failed !== undefined) return this.#conditionFailed(failed, at);
    return command.kind === 'put' ? this.#keyspace.put(at, command) : this.#keyspace.delete(at);
  }

  #registerSession(command: RegisterSessionCommand, index: LogIndex, position: number): Outcome {
    const invalid = invalidSession(command);
    if (invalid !== undefined) return this.#invalid(invalid);
    if (position >= SESSIONS_PER_ENTRY_MAX) return this.#invalid('too many commands in one entry');
    const session = index * SESSIONS_PER_ENTRY_MAX + position;
    if (!isCount(session)) return this.#invalid('no session ids are left');
    this.#sessions.register(session, command.ttlMs);
    return { kind: 'session-registered', session };
  }

  #invalid(reason: string): Outcome {
    return this.#rejected(RejectCode.invalidArgument, reason.slice(0, DETAIL_CHARACTERS_MAX));
  }

  #conditionFailed(condition: Condition, at: KeyAtHand): Outcome {
    return this.#rejected(RejectCode.conditionFailed, condition.kind, at.live);
  }

  #rejected(
    code: RejectCode,
    detail: string,
    actual?: { readonly modRevision: Revision; readonly version: number },
  ): Outcome {
    return {
      kind: 'rejected',
      code,
      revision: this.#state.revision,
      actualModRevision: actual === undefined ? (0 as Revision) : actual.modRevision,
      actualVersion: actual === undefined ? 0 : actual.version,
      detail,
    };
  }
}

/** What an entry did. */
export class AppliedResult {
  /**
   * Outcomes of the batches, in their order, as `decodeOutcomes` reads them. The same bytes are in
   * the session table: they must not be changed.
   */
  readonly encoded: readonly Uint8Array[];
  /** The store's revision after the entry. */
  readonly revision: Revision;

  constructor(encoded: readonly Uint8Array[], revision: Revision) {
    this.encoded = encoded;
    this.revision = revision;
  }

  /** Decodes at every call: for tests and for looking into a replica, not for the way of a write. */
  get outcomes(): readonly BatchOutcome[] {
    return this.encoded.map(decodeOutcomes);
  }
}
