/**
 * The state machine again, slow and obviously right: plain maps and arrays, nothing encoded,
 * nothing lazy. Every opening extends every session, every entry looks at everything that ends.
 * It leaves out the bound on how much one entry may expire; tests stay below it.
 */
import { assertNever, compareBytes, encodeUtf8, type LogTimeMs, type Revision } from '@kvstore/std';
import type { Batch, Command, Condition, DeleteCommand, PutCommand } from './command.ts';
import { hex } from './memory-store.test-support.ts';
import type { BatchOutcome, Outcome } from './outcome.ts';
import type { AppliedEntry } from './state-machine.ts';

export interface ModelValue {
  readonly revision: number;
  readonly command: PutCommand | undefined;
  readonly version: number;
  readonly createRevision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | undefined;
}

interface ModelKey {
  readonly namespace: string;
  readonly key: Uint8Array;
  readonly versions: ModelValue[];
}

interface ModelSession {
  readonly ttlMs: number;
  expiresAt: number;
  doneBelow: number;
  readonly outcomes: Map<number, BatchOutcome>;
}

const DAY_MS = 86_400_000;

export class Model {
  revision = 0;
  logTime = 0;
  readonly keys = new Map<string, ModelKey>();
  readonly sessions = new Map<number, ModelSession>();
  readonly remembered = new Map<string, { digest: number; outcome: Outcome; expiresAt: number }>();

  apply(entry: AppliedEntry): BatchOutcome[] {
    this.logTime = Math.max(this.logTime, entry.stamp ?? 0);
    if (entry.opening) {
      for (const session of this.sessions.values()) {
        const atLeast = this.logTime + Math.min(session.ttlMs, 5000);
        session.expiresAt = Math.max(session.expiresAt, atLeast);
      }
    }
    this.expire();
    let position = 0;
    return entry.batches.map((batch) => {
      const outcome = this.applyBatch(batch, entry.index * 1024 + position);
      position += batch.commands.length;
      return outcome;
    });
  }

  expire(): void {
    const due = [...this.keys.values()].filter((each) => {
      const end = newest(each)?.expiresAt;
      return end !== undefined && end <= this.logTime;
    });
    const end = (key: ModelKey): number => newest(key)?.expiresAt as number;
    due.sort((a, b) => {
      const byNamespace = compareBytes(encodeUtf8(a.namespace), encodeUtf8(b.namespace));
      return end(a) - end(b) || byNamespace || compareBytes(a.key, b.key);
    });
    for (const key of due) this.remove(key);
    for (const [id, session] of this.sessions) {
      if (session.expiresAt <= this.logTime) this.sessions.delete(id);
    }
    for (const [id, { expiresAt }] of this.remembered) {
      if (expiresAt <= this.logTime) this.remembered.delete(id);
    }
  }

  applyBatch(batch: Batch, firstSession: number): BatchOutcome {
    const { batchNo } = batch;
    if (batch.session === 0) {
      const outcomes = batch.commands.map((command, i) =>
        command.kind === 'register-session'
          ? this.applyCommand(command, firstSession + i)
          : this.rejected(1, 'only a registration needs no session'),
      );
      return { kind: 'applied', outcomes };
    }
    const session = this.sessions.get(batch.session);
    if (session === undefined) return { kind: 'session-expired' };
    if (batchNo < session.doneBelow) return { kind: 'stale' };
    const seen = session.outcomes.get(batchNo);
    if (seen !== undefined) return seen;
    const doneBelow = Math.max(session.doneBelow, Math.min(batchNo, batch.doneBelow));
    if (batchNo - doneBelow >= 4096) return { kind: 'window-exceeded' };
    const outcomes = batch.commands.map((each, i) => this.applyCommand(each, firstSession + i));
    const outcome: BatchOutcome = { kind: 'applied', outcomes };
    session.outcomes.set(batchNo, outcome);
    session.doneBelow = doneBelow;
    for (const no of session.outcomes.keys()) if (no < doneBelow) session.outcomes.delete(no);
    session.expiresAt = Math.max(session.expiresAt, this.logTime + session.ttlMs);
    return outcome;
  }

  applyCommand(command: Command, newSession: number): Outcome {
    switch (command.kind) {
      case 'register-session':
        this.sessions.set(newSession, {
          ttlMs: command.ttlMs,
          expiresAt: this.logTime + command.ttlMs,
          doneBelow: 1,
          outcomes: new Map(),
        });
        return { kind: 'session-registered', session: newSession };
      case 'keep-alive':
        return { kind: 'kept-alive' };
      case 'malformed':
        return this.rejected(1, command.reason);
      case 'put':
      case 'delete':
        return this.applyOnce(command);
      default:
        return assertNever(command);
    }
  }

  applyOnce(command: PutCommand | DeleteCommand): Outcome {
    if (command.key.length === 0) return this.rejected(1, 'a key has 1 to 1024 bytes');
    const { idempotencyKey, principal, namespace, digest } = command;
    if (idempotencyKey === undefined) return this.applyOnKey(command);
    const id = JSON.stringify([principal, namespace, idempotencyKey]);
    const known = this.remembered.get(id);
    if (known !== undefined) {
      if (known.digest === digest) return known.outcome;
      return this.rejected(3, 'the idempotency key was used for another request');
    }
    const outcome = this.applyOnKey(command);
    this.remembered.set(id, { digest, outcome, expiresAt: this.logTime + DAY_MS });
    return outcome;
  }

  applyOnKey(command: PutCommand | DeleteCommand): Outcome {
    const key = this.key(command.namespace, command.key);
    const present = newest(key);
    const failed = command.conditions.find((condition) => !holds(condition, present));
    if (failed !== undefined) {
      return this.rejected(2, failed.kind, present?.revision, present?.version);
    }
    if (command.kind === 'delete') {
      if (present !== undefined) this.remove(key);
      const existed = present !== undefined;
      return { kind: 'deleted', revision: this.revision as Revision, existed };
    }
    this.revision += 1;
    const value: ModelValue = {
      revision: this.revision,
      command,
      version: (present?.version ?? 0) + 1,
      createRevision: present?.createRevision ?? this.revision,
      createdAt: present?.createdAt ?? this.logTime,
      updatedAt: this.logTime,
      expiresAt: command.ttlMs === undefined ? undefined : this.logTime + command.ttlMs,
    };
    key.versions.push(value);
    return {
      kind: 'put',
      revision: value.revision as Revision,
      version: value.version,
      createRevision: value.createRevision as Revision,
      createdAt: value.createdAt as LogTimeMs,
      updatedAt: value.updatedAt as LogTimeMs,
      expiresAt: value.expiresAt as LogTimeMs | undefined,
    };
  }

  remove(key: ModelKey): void {
    this.revision += 1;
    key.versions.push({
      revision: this.revision,
      command: undefined,
      version: 0,
      createRevision: 0,
      createdAt: 0,
      updatedAt: this.logTime,
      expiresAt: undefined,
    });
  }

  key(namespace: string, key: Uint8Array): ModelKey {
    const id = `${namespace}/${hex(key)}`;
    const found = this.keys.get(id) ?? { namespace, key, versions: [] };
    this.keys.set(id, found);
    return found;
  }

  at(namespace: string, key: Uint8Array, revision: number): ModelValue | undefined {
    const { versions } = this.key(namespace, key);
    const last = versions.filter((version) => version.revision <= revision).at(-1);
    return last?.command === undefined ? undefined : last;
  }

  get statistics(): { keys: number; bytes: number } {
    let keys = 0;
    let bytes = 0;
    for (const key of this.keys.values()) {
      const value = newest(key)?.command?.value;
      if (value === undefined) continue;
      keys += 1;
      bytes += key.key.length + value.length;
    }
    return { keys, bytes };
  }

  /** When the first key, session or idempotency key ends. */
  get nextEnd(): number | undefined {
    const ends: number[] = [];
    for (const key of this.keys.values()) ends.push(newest(key)?.expiresAt ?? Infinity);
    for (const session of this.sessions.values()) ends.push(session.expiresAt);
    for (const { expiresAt } of this.remembered.values()) ends.push(expiresAt);
    const first = Math.min(...ends);
    return first === Infinity ? undefined : first;
  }

  rejected(code: 1 | 2 | 3, detail: string, actualRevision = 0, actualVersion = 0): Outcome {
    const revision = this.revision as Revision;
    const actualModRevision = actualRevision as Revision;
    return { kind: 'rejected', code, revision, actualModRevision, actualVersion, detail };
  }
}

function newest(key: ModelKey): ModelValue | undefined {
  const last = key.versions.at(-1);
  return last?.command === undefined ? undefined : last;
}

function holds(condition: Condition, present: ModelValue | undefined): boolean {
  const revision = (present?.revision ?? -1) as Revision;
  if (condition.kind === 'exists') return present !== undefined;
  if (condition.kind === 'absent') return present === undefined;
  if (condition.kind === 'version-is') return (present?.version ?? 0) === condition.version;
  const among = condition.revisions.includes(revision);
  return condition.kind === 'mod-revision-in' ? among : !among;
}
