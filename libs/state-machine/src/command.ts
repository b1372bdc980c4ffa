/**
 * Commands as the state machine applies them, decoded. The wire format is `contract`'s; what it
 * cannot decode becomes a `malformed` command, whose outcome is INVALID_ARGUMENT, so that apply
 * never throws on input and every replica agrees on what a broken command does.
 */
import type { Revision } from '@kvstore/std';

/** All must hold for the command to take effect; evaluated against the state before it. */
export type Condition =
  /** The key's mod revision is one of these. */
  | { readonly kind: 'mod-revision-in'; readonly revisions: readonly Revision[] }
  /** The key's mod revision is none of these (a missing key passes). */
  | { readonly kind: 'mod-revision-not-in'; readonly revisions: readonly Revision[] }
  | { readonly kind: 'version-is'; readonly version: number }
  | { readonly kind: 'exists' }
  | { readonly kind: 'absent' };

export interface Tag {
  readonly name: string;
  readonly value: string;
}

interface OnKey {
  readonly namespace: string;
  /** 1..1024 bytes. */
  readonly key: Uint8Array;
  readonly conditions: readonly Condition[];
  readonly principal: string;
  /** At most 255 bytes; a command with the same one, by the same principal, applies once. */
  readonly idempotencyKey: string | undefined;
  /** 53-bit digest of the request, compared when an idempotency key is seen again. */
  readonly digest: number;
}

export interface PutCommand extends OnKey {
  readonly kind: 'put';
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly tags: readonly Tag[];
  /** Time to live in ms, 1..2^53-1; the key expires at log time + ttl. */
  readonly ttlMs: number | undefined;
}

export interface DeleteCommand extends OnKey {
  readonly kind: 'delete';
}

/** Opens a session whose id is the index of this entry plus its place, see `session.ts`. */
export interface RegisterSessionCommand {
  readonly kind: 'register-session';
  readonly ttlMs: number;
}

/** Keeps the batch's session alive and moves its `doneBelow`; changes nothing else. */
export interface KeepAliveCommand {
  readonly kind: 'keep-alive';
}

export interface MalformedCommand {
  readonly kind: 'malformed';
  readonly reason: string;
}

export type Command =
  PutCommand | DeleteCommand | RegisterSessionCommand | KeepAliveCommand | MalformedCommand;

/** Commands of one gateway and one event-loop turn. Session 0 is "none": only registration. */
export interface Batch {
  readonly session: number;
  /** 1, 2, 3… within the session; the same number means the same bytes. */
  readonly batchNo: number;
  /** The gateway has the outcomes of every batch below this one and will never send it again. */
  readonly doneBelow: number;
  readonly commands: readonly Command[];
}
