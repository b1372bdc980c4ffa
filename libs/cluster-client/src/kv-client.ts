/**
 * What a gateway asks of a cluster: the port under `KvApi`. `ClusterClient` implements it over the
 * bus. Every answer is a value; a promise rejects only on a bug.
 */
import type {
  ConsensusStatus,
  Failure,
  MemberList,
  MemberRequest,
  StorageStatus,
} from '@kvstore/contract';
import type { LogTimeMs, Revision } from '@kvstore/std';
import type { Condition, Outcome, Tag } from '@kvstore/state-machine';

interface WriteOnKey {
  readonly namespace: string;
  /** 1..1024 bytes of UTF-8, validated by the caller. */
  readonly key: Uint8Array;
  readonly conditions: readonly Condition[];
  readonly principal: string;
  readonly idempotencyKey: string | undefined;
}

export interface PutRequest extends WriteOnKey {
  readonly kind: 'put';
  /** Owned by the client until it answers. */
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly tags: readonly Tag[];
  readonly ttlMs: number | undefined;
}

export interface DeleteRequest extends WriteOnKey {
  readonly kind: 'delete';
}

export type WriteRequest = PutRequest | DeleteRequest;
export type WriteResult = { readonly kind: 'decided'; readonly outcome: Outcome } | Failure;

export type Consistency =
  | { readonly kind: 'linearizable' }
  /** Served as linearizable until leases exist. */
  | { readonly kind: 'lease' }
  | { readonly kind: 'session'; readonly minRevision: Revision }
  | { readonly kind: 'eventual' };

export interface GetRequest {
  readonly namespace: string;
  readonly key: Uint8Array;
  readonly consistency: Consistency;
  /** Wait until the store has reached this revision, whatever the consistency. */
  readonly minRevision: Revision | undefined;
  /** Read the past: the key as it was at this revision. */
  readonly atRevision: Revision | undefined;
}

export interface KvEntry {
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly tags: readonly Tag[];
  readonly version: number;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly createdAt: LogTimeMs;
  readonly updatedAt: LogTimeMs;
  readonly expiresAt: LogTimeMs | undefined;
}

export type GetResult =
  | { readonly kind: 'found'; readonly entry: KvEntry; readonly revision: Revision }
  | { readonly kind: 'not-found'; readonly revision: Revision }
  | Failure;

export interface NodeStatus {
  readonly node: string;
  readonly consensus: ConsensusStatus | undefined;
  readonly storage: StorageStatus | undefined;
}

export interface KvClient {
  write(request: WriteRequest, timeoutMs: number): Promise<WriteResult>;
  get(request: GetRequest, timeoutMs: number): Promise<GetResult>;
  /** What each known node says of itself; a part that does not answer in time is undefined. */
  status(timeoutMs: number): Promise<readonly NodeStatus[]>;
  /** Sees to it that it is so, and answers with the members as they are then. */
  members(request: MemberRequest, timeoutMs: number): Promise<MemberList | Failure>;
  /** Undefined when writes and linearizable reads can be served, else why not, in one line. */
  readonly notReady: string | undefined;
}
