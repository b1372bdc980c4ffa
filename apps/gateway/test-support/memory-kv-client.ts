/**
 * A `KvClient` over a Map, for tests of the protocol edges: the contract's semantics on one key at a
 * time, with history, expiry by a clock the test owns, idempotency keys, and failures on demand.
 */
import type {
  DeleteRequest,
  GetRequest,
  GetResult,
  KvClient,
  KvEntry,
  NodeStatus,
  PutRequest,
  WriteRequest,
  WriteResult,
} from '@kvstore/cluster-client';
import type { Failure, MemberList, MemberRequest } from '@kvstore/contract';
import { RejectCode, type Condition, type Outcome } from '@kvstore/state-machine';
import { logTimeMs, revision, type Revision } from '@kvstore/std';

interface Version {
  readonly revision: Revision;
  /** Undefined: deleted. */
  readonly entry: KvEntry | undefined;
}

export class MemoryKvClient implements KvClient {
  notReady: string | undefined;
  /** Answered instead of doing anything, while set. */
  failing: Failure | undefined;
  nodes: readonly NodeStatus[] = [];
  nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  lastWrite: WriteRequest | undefined;
  lastGet: GetRequest | undefined;
  lastTimeoutMs: number | undefined;
  lastMemberRequest: MemberRequest | undefined;
  memberList: MemberList = { kind: 'members', index: 0, term: 1, leader: undefined, members: [] };
  #revision = 0;
  readonly #history = new Map<string, Version[]>();
  readonly #idempotent = new Map<string, { readonly request: string; readonly outcome: Outcome }>();

  async write(request: WriteRequest, timeoutMs: number): Promise<WriteResult> {
    await Promise.resolve();
    this.lastWrite = request;
    this.lastTimeoutMs = timeoutMs;
    if (this.failing !== undefined) return this.failing;
    const { idempotencyKey } = request;
    if (idempotencyKey === undefined) return { kind: 'decided', outcome: this.#apply(request) };
    const digest = JSON.stringify({ ...request, key: [...request.key] });
    const earlier = this.#idempotent.get(idempotencyKey);
    if (earlier !== undefined) {
      const same = earlier.request === digest;
      return {
        kind: 'decided',
        outcome: same ? earlier.outcome : this.#rejected(RejectCode.idempotencyConflict, undefined),
      };
    }
    const outcome = this.#apply(request);
    this.#idempotent.set(idempotencyKey, { request: digest, outcome });
    return { kind: 'decided', outcome };
  }

  async get(request: GetRequest, timeoutMs: number): Promise<GetResult> {
    await Promise.resolve();
    this.lastGet = request;
    this.lastTimeoutMs = timeoutMs;
    if (this.failing !== undefined) return this.failing;
    const versions = this.#history.get(identity(request)) ?? [];
    const at = request.atRevision ?? this.#revision;
    const entry = versions.findLast((version) => version.revision <= at)?.entry;
    const now = revision(this.#revision);
    return entry === undefined
      ? { kind: 'not-found', revision: now }
      : { kind: 'found', entry, revision: now };
  }

  async status(timeoutMs: number): Promise<readonly NodeStatus[]> {
    await Promise.resolve();
    this.lastTimeoutMs = timeoutMs;
    return this.nodes;
  }

  async members(request: MemberRequest, timeoutMs: number): Promise<MemberList | Failure> {
    await Promise.resolve();
    this.lastMemberRequest = request;
    this.lastTimeoutMs = timeoutMs;
    return this.failing ?? this.memberList;
  }

  #apply(request: WriteRequest): Outcome {
    const id = identity(request);
    const current = this.#history.get(id)?.at(-1)?.entry;
    if (!request.conditions.every((condition) => holds(condition, current))) {
      return this.#rejected(RejectCode.conditionFailed, current);
    }
    return request.kind === 'put'
      ? this.#put(id, request, current)
      : this.#delete(id, request, current);
  }

  #put(id: string, request: PutRequest, current: KvEntry | undefined): Outcome {
    const next = revision(++this.#revision);
    const now = logTimeMs(this.nowMs);
    const entry: KvEntry = {
      value: Uint8Array.from(request.value),
      contentType: request.contentType,
      tags: request.tags,
      version: (current?.version ?? 0) + 1,
      createRevision: current?.createRevision ?? next,
      modRevision: next,
      createdAt: current?.createdAt ?? now,
      updatedAt: now,
      expiresAt: request.ttlMs === undefined ? undefined : logTimeMs(this.nowMs + request.ttlMs),
    };
    this.#history.set(id, [...(this.#history.get(id) ?? []), { revision: next, entry }]);
    const { version, createRevision, createdAt, updatedAt, expiresAt } = entry;
    return {
      kind: 'put',
      revision: next,
      version,
      createRevision,
      createdAt,
      updatedAt,
      expiresAt,
    };
  }

  #delete(id: string, _request: DeleteRequest, current: KvEntry | undefined): Outcome {
    if (current === undefined)
      return { kind: 'deleted', revision: revision(this.#revision), existed: false };
    const next = revision(++this.#revision);
    this.#history.get(id)?.push({ revision: next, entry: undefined });
    return { kind: 'deleted', revision: next, existed: true };
  }

  #rejected(code: RejectCode, current: KvEntry | undefined): Outcome {
    return {
      kind: 'rejected',
      code,
      revision: revision(this.#revision),
      actualModRevision: current?.modRevision ?? revision(0),
      actualVersion: current?.version ?? 0,
      detail: 'refused',
    };
  }
}

function identity({
  namespace,
  key,
}: {
  readonly namespace: string;
  readonly key: Uint8Array;
}): string {
  return `${namespace}\n${Buffer.from(key).toString('hex')}`;
}

function holds(condition: Condition, current: KvEntry | undefined): boolean {
  switch (condition.kind) {
    case 'exists':
      return current !== undefined;
    case 'absent':
      return current === undefined;
    case 'version-is':
      return current?.version === condition.version;
    case 'mod-revision-in':
      return current !== undefined && condition.revisions.includes(current.modRevision);
    case 'mod-revision-not-in':
      return current === undefined || !condition.revisions.includes(current.modRevision);
  }
}
