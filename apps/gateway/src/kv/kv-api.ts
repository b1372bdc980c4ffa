/**
 * The key-value API without a protocol: validates a request, asks the cluster, and turns every
 * outcome into a result or a `Failure`. REST, gRPC and GraphQL decode into it and encode from it, so
 * that they cannot differ. It knows no header, status code or framework.
 *
 * A rejected promise is a bug of the client below; nothing here throws on input.
 */
import type {
  DeleteRequest,
  GetRequest,
  GetResult,
  KvClient,
  NodeStatus,
  PutRequest,
} from '@kvstore/cluster-client';
import {
  checkMemberRequest,
  failure,
  type Failure,
  type MemberList,
  type MemberRequest,
} from '@kvstore/contract';
import { RejectCode, type Outcome } from '@kvstore/state-machine';
import { assertNever, InvariantError } from '@kvstore/std';
import {
  checkConditions,
  checkContentType,
  checkIdempotencyKey,
  checkKey,
  checkNamespace,
  checkTags,
  checkTimeout,
  checkTtl,
  checkValue,
} from './kv-input.ts';

export type PutDone = Extract<Outcome, { kind: 'put' }>;
export type DeleteDone = Extract<Outcome, { kind: 'deleted' }>;
export type Found = Extract<GetResult, { kind: 'found' }>;
type Rejected = Extract<Outcome, { kind: 'rejected' }>;

export interface DeleteOptions {
  /** A key that is not there is KEY_NOT_FOUND instead of a success. */
  readonly strict: boolean;
}

export class KvApi {
  readonly #client: KvClient;

  constructor(client: KvClient) {
    this.#client = client;
  }

  async put(request: PutRequest, timeoutMs: number): Promise<PutDone | Failure> {
    const refusal =
      checkWrite(request, timeoutMs) ??
      checkValue(request.value) ??
      checkContentType(request.contentType) ??
      checkTags(request.tags) ??
      checkTtl(request.ttlMs);
    if (refusal !== undefined) return refusal;
    const result = await this.#client.write(request, timeoutMs);
    if (result.kind === 'failure') return result;
    const { outcome } = result;
    return outcome.kind === 'put' ? outcome : rejection(outcome);
  }

  async delete(
    request: DeleteRequest,
    timeoutMs: number,
    options: DeleteOptions = { strict: false },
  ): Promise<DeleteDone | Failure> {
    const refusal = checkWrite(request, timeoutMs);
    if (refusal !== undefined) return refusal;
    const result = await this.#client.write(request, timeoutMs);
    if (result.kind === 'failure') return result;
    const { outcome } = result;
    if (outcome.kind !== 'deleted') return rejection(outcome);
    return outcome.existed || !options.strict ? outcome : keyNotFound(outcome.revision);
  }

  async get(request: GetRequest, timeoutMs: number): Promise<Found | Failure> {
    const refusal =
      checkNamespace(request.namespace) ?? checkKey(request.key) ?? checkTimeout(timeoutMs);
    if (refusal !== undefined) return refusal;
    const result = await this.#client.get(request, timeoutMs);
    return result.kind === 'not-found' ? keyNotFound(result.revision) : result;
  }

  async status(timeoutMs: number): Promise<readonly NodeStatus[] | Failure> {
    return checkTimeout(timeoutMs) ?? (await this.#client.status(timeoutMs));
  }

  async members(request: MemberRequest, timeoutMs: number): Promise<MemberList | Failure> {
    return (
      checkMemberRequest(request) ??
      checkTimeout(timeoutMs) ??
      (await this.#client.members(request, timeoutMs))
    );
  }

  /** Undefined when requests can be served, else why not, in one line. */
  get notReady(): string | undefined {
    return this.#client.notReady;
  }
}

function checkWrite(request: PutRequest | DeleteRequest, timeoutMs: number): Failure | undefined {
  return (
    checkNamespace(request.namespace) ??
    checkKey(request.key) ??
    checkConditions(request.conditions) ??
    checkIdempotencyKey(request.idempotencyKey) ??
    checkTimeout(timeoutMs)
  );
}

function keyNotFound(revision: number): Failure {
  return failure('KEY_NOT_FOUND', 'There is no such key in this namespace.', {
    extra: { revision },
  });
}

function rejection(outcome: Outcome): Failure {
  if (outcome.kind !== 'rejected') {
    throw new InvariantError(`a key command had the outcome ${outcome.kind}`);
  }
  switch (outcome.code) {
    case RejectCode.invalidArgument:
      return failure('INVALID_ARGUMENT', outcome.detail);
    case RejectCode.conditionFailed:
      return conditionFailed(outcome);
    case RejectCode.idempotencyConflict:
      return failure('IDEMPOTENCY_CONFLICT', outcome.detail);
    default:
      return assertNever(outcome.code);
  }
}

/** Tells what the key has instead, so that the client can decide without another read. */
function conditionFailed(outcome: Rejected): Failure {
  const { actualModRevision, actualVersion, revision } = outcome;
  const state =
    actualVersion === 0
      ? 'the key does not exist'
      : `the key has mod revision ${actualModRevision} and version ${actualVersion}`;
  return failure('CONDITION_FAILED', `A condition does not hold: ${state}.`, {
    extra: { mod_revision: actualModRevision, version: actualVersion, revision },
  });
}
