/**
 * Outcomes as bytes. The session table stores exactly what replicas send and gateways decode.
 *
 *   batch:   u8 kind · applied: u32 outcomes × outcome
 *   outcome: u8 kind
 *     put                 u64 revision · version · create revision · created · updated · expires (0: never)
 *     deleted             u64 revision · u8 existed
 *     session-registered  u64 session
 *     kept-alive
 *     rejected            u8 code · u64 revision · u64 actual mod revision · u64 actual version · u16+detail
 */
import {
  assertNever,
  ByteReader,
  ByteWriter,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  logTimeMs,
  revision,
} from '@kvstore/std';
import { type BatchOutcome, type Outcome, RejectCode } from './outcome.ts';

const BatchKind = { applied: 1, sessionExpired: 2, stale: 3, windowExceeded: 4 } as const;
const OutcomeKind = {
  put: 1,
  deleted: 2,
  sessionRegistered: 3,
  keptAlive: 4,
  rejected: 5,
} as const;

export const SESSION_EXPIRED: Uint8Array = Uint8Array.of(BatchKind.sessionExpired);
export const STALE: Uint8Array = Uint8Array.of(BatchKind.stale);
export const WINDOW_EXCEEDED: Uint8Array = Uint8Array.of(BatchKind.windowExceeded);

/** Starts an applied batch in `writer`: `count` times `encodeOutcome` must follow. */
export function beginApplied(writer: ByteWriter, count: number): void {
  writer.u8(BatchKind.applied).u32(count);
}

export function encodeOutcome(writer: ByteWriter, outcome: Outcome): void {
  switch (outcome.kind) {
    case 'put':
      writer.u8(OutcomeKind.put).u64(outcome.revision).u64(outcome.version);
      writer.u64(outcome.createRevision).u64(outcome.createdAt).u64(outcome.updatedAt);
      writer.u64(outcome.expiresAt ?? 0);
      return;
    case 'deleted':
      writer
        .u8(OutcomeKind.deleted)
        .u64(outcome.revision)
        .u8(outcome.existed ? 1 : 0);
      return;
    case 'session-registered':
      writer.u8(OutcomeKind.sessionRegistered).u64(outcome.session);
      return;
    case 'kept-alive':
      writer.u8(OutcomeKind.keptAlive);
      return;
    case 'rejected':
      writer.u8(OutcomeKind.rejected).u8(outcome.code).u64(outcome.revision);
      writer.u64(outcome.actualModRevision).u64(outcome.actualVersion);
      writer.bytes16(encodeUtf8(outcome.detail));
      return;
    default:
      assertNever(outcome);
  }
}

export function encodeOutcomes(outcome: BatchOutcome): Uint8Array {
  switch (outcome.kind) {
    case 'applied': {
      const writer = new ByteWriter();
      beginApplied(writer, outcome.outcomes.length);
      for (const each of outcome.outcomes) encodeOutcome(writer, each);
      return writer.finish();
    }
    case 'session-expired':
      return SESSION_EXPIRED;
    case 'stale':
      return STALE;
    case 'window-exceeded':
      return WINDOW_EXCEEDED;
    default:
      return assertNever(outcome);
  }
}

/** Throws `DecodeError`. */
export function decodeOutcomes(bytes: Uint8Array): BatchOutcome {
  const reader = new ByteReader(bytes);
  const outcome = decodeBatchOutcome(reader);
  reader.end();
  return outcome;
}

function decodeBatchOutcome(reader: ByteReader): BatchOutcome {
  const kind = reader.u8();
  switch (kind) {
    case BatchKind.applied:
      return { kind: 'applied', outcomes: reader.list(reader.u32(), decodeOutcome) };
    case BatchKind.sessionExpired:
      return { kind: 'session-expired' };
    case BatchKind.stale:
      return { kind: 'stale' };
    case BatchKind.windowExceeded:
      return { kind: 'window-exceeded' };
    default:
      throw new DecodeError(`unknown batch outcome ${kind}`);
  }
}

function decodeOutcome(reader: ByteReader): Outcome {
  const kind = reader.u8();
  switch (kind) {
    case OutcomeKind.put:
      return decodePut(reader);
    case OutcomeKind.deleted:
      return { kind: 'deleted', revision: revision(reader.u64()), existed: reader.flag() };
    case OutcomeKind.sessionRegistered:
      return { kind: 'session-registered', session: reader.u64() };
    case OutcomeKind.keptAlive:
      return { kind: 'kept-alive' };
    case OutcomeKind.rejected:
      return {
        kind: 'rejected',
        code: rejectCode(reader.u8()),
        revision: revision(reader.u64()),
        actualModRevision: revision(reader.u64()),
        actualVersion: reader.u64(),
        detail: decodeUtf8(reader.bytes16()),
      };
    default:
      throw new DecodeError(`unknown outcome ${kind}`);
  }
}

function decodePut(reader: ByteReader): Outcome {
  const at = revision(reader.u64());
  const version = reader.u64();
  const createRevision = revision(reader.u64());
  const createdAt = logTimeMs(reader.u64());
  const updatedAt = logTimeMs(reader.u64());
  const expiresAt = reader.u64();
  return {
    kind: 'put',
    revision: at,
    version,
    createRevision,
    createdAt,
    updatedAt,
    expiresAt: expiresAt === 0 ? undefined : logTimeMs(expiresAt),
  };
}

function rejectCode(value: number): RejectCode {
  for (const code of Object.values(RejectCode)) if (code === value) return code;
  throw new DecodeError(`unknown reject code ${value}`);
}
