/** Short forms for tests: entries, batches, commands, and a machine that numbers them itself. */
import {
  assert,
  decodeUtf8,
  encodeUtf8,
  logIndex,
  logTimeMs,
  revision,
  type Revision,
  term,
} from '@kvstore/std';
import type { Batch, Command, DeleteCommand, PutCommand } from './command.ts';
import { MemoryStore } from './memory-store.test-support.ts';
import { decodeOutcomes } from './outcome-codec.ts';
import type { BatchOutcome, Outcome } from './outcome.ts';
import { StateMachine } from './state-machine.ts';
import { decodeRecord, type ValueRecord } from './stored-record.ts';

export function put(key: string, value: string, more: Partial<PutCommand> = {}): PutCommand {
  return {
    kind: 'put',
    namespace: 'default',
    key: encodeUtf8(key),
    value: encodeUtf8(value),
    contentType: 'text/plain',
    tags: [],
    ttlMs: undefined,
    conditions: [],
    principal: 'alice',
    idempotencyKey: undefined,
    digest: 0,
    ...more,
  };
}

export function del(key: string, more: Partial<DeleteCommand> = {}): DeleteCommand {
  return {
    kind: 'delete',
    namespace: 'default',
    key: encodeUtf8(key),
    conditions: [],
    principal: 'alice',
    idempotencyKey: undefined,
    digest: 0,
    ...more,
  };
}

export interface EntryOptions {
  readonly stamp?: number;
  readonly opening?: boolean;
}

export class TestMachine {
  readonly store: MemoryStore;
  machine: StateMachine;

  constructor(store = new MemoryStore()) {
    this.store = store;
    this.machine = new StateMachine(store);
  }

  /** A new machine over the same store, as after a crash. */
  restart(): void {
    this.machine = new StateMachine(this.store);
  }

  entry(batches: readonly Batch[], options: EntryOptions = {}): readonly BatchOutcome[] {
    const stamp = options.stamp === undefined ? undefined : logTimeMs(options.stamp);
    const index = logIndex(this.machine.appliedIndex + 1);
    const opening = options.opening ?? false;
    return this.machine.apply({ index, term: term(1), opening, stamp, batches }).outcomes;
  }

  /** Moves log time. */
  clock(stamp: number): void {
    this.entry([], { stamp });
  }

  /** Registers a session and returns its id. */
  register(ttlMs = 60_000, options: EntryOptions = {}): number {
    const commands: Command[] = [{ kind: 'register-session', ttlMs }];
    const batch = { session: 0, batchNo: 1, doneBelow: 1, commands };
    const outcome = applied(this.entry([batch], options))[0];
    assert(outcome?.kind === 'session-registered', 'registration failed');
    return outcome.session;
  }

  /** Applies commands in one entry of a session of their own. */
  run(commands: readonly Command[], options: EntryOptions = {}): readonly Outcome[] {
    const session = this.register(1_000_000_000, options);
    return applied(this.entry([{ session, batchNo: 1, doneBelow: 1, commands }], options));
  }

  get(key: string, at?: number, namespace = 'default'): ValueRecord | string {
    const atRevision: Revision | undefined = at === undefined ? undefined : revision(at);
    const result = this.machine.get(namespace, encodeUtf8(key), atRevision);
    if (result.kind !== 'found') return result.kind;
    const record = decodeRecord(result.record.slice());
    assert(record.kind === 'value', 'a read found a tombstone');
    return record;
  }

  text(key: string, at?: number): string {
    const record = this.get(key, at);
    return typeof record === 'string' ? record : decodeUtf8(record.value);
  }

  stored(session: number, batchNo: number): BatchOutcome | string {
    const stored = this.machine.storedOutcome(session, batchNo);
    return typeof stored === 'string' ? stored : decodeOutcomes(stored);
  }
}

/** The outcomes of the only batch, which was applied. */
export function applied(outcomes: readonly BatchOutcome[]): readonly Outcome[] {
  const [outcome] = outcomes;
  assert(outcomes.length === 1 && outcome?.kind === 'applied', 'not one applied batch');
  return outcome.outcomes;
}
