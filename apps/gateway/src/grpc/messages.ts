/**
 * The messages of `proto/kvstore/v1/kvstore.proto` as plain objects, as `@grpc/proto-loader` reads and
 * writes them with the options of `service-definition.ts`: field names as in the contract, defaults
 * filled in, 64-bit integers as numbers (inexact above 2^53, hence checked), enums by name.
 */
export interface Conditions {
  /** Unset fields of the `optional` kind are absent or null. */
  readonly exists?: boolean | null;
  readonly version?: number | null;
  readonly mod_revision_in: readonly number[];
  readonly mod_revision_not_in: readonly number[];
}

export interface PutMessage {
  readonly namespace: string;
  readonly key: string;
  readonly value: Buffer;
  readonly content_type: string;
  readonly ttl_seconds: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly conditions: Conditions | null;
  readonly idempotency_key: string;
}

export interface GetMessage {
  readonly namespace: string;
  readonly key: string;
  readonly consistency: string;
  readonly min_revision: number;
  readonly revision: number;
}

export interface DeleteMessage {
  readonly namespace: string;
  readonly key: string;
  readonly strict: boolean;
  readonly conditions: Conditions | null;
  readonly idempotency_key: string;
}

export interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}
