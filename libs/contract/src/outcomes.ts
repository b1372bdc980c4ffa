/**
 * Outcomes of batches: pushed by the home storage right after apply, or asked of any storage.
 *
 *   outcomes: u64 session · u16 batches × (u64 batch number · u8 status · u32+batch outcome)
 *   query:    u64 session · u64 min index · u16 batches × u64 batch number
 *
 * A batch outcome is the state machine's own encoding, stored and sent as the same bytes.
 */
import { ByteReader, ByteWriter, DecodeError, logIndex, type LogIndex } from '@kvstore/std';

export const OutcomeStatus = {
  /** The bytes are the batch's outcome. */
  decided: 1,
  /** Not applied at or below the query's min index. */
  notApplied: 2,
  /** The session is unknown here: its outcomes are gone. */
  unknownSession: 3,
  /** This storage did not reach the min index in time. */
  behind: 4,
} as const;
export type OutcomeStatus = (typeof OutcomeStatus)[keyof typeof OutcomeStatus];

export interface BatchOutcomeBytes {
  readonly batchNo: number;
  readonly status: OutcomeStatus;
  readonly bytes: Uint8Array;
}

export interface Outcomes {
  readonly session: number;
  readonly batches: readonly BatchOutcomeBytes[];
}

export function encodeOutcomesFrame(outcomes: Outcomes): Uint8Array {
  let bytes = 10;
  for (const each of outcomes.batches) bytes += 13 + each.bytes.length;
  const writer = new ByteWriter(bytes).u64(outcomes.session).u16(outcomes.batches.length);
  for (const each of outcomes.batches) {
    writer.u64(each.batchNo).u8(each.status).bytes32(each.bytes);
  }
  return writer.finish();
}

export function decodeOutcomesFrame(body: Uint8Array): Outcomes {
  const reader = new ByteReader(body);
  const session = reader.u64();
  const batches = reader.list(reader.u16(), () => {
    const batchNo = reader.u64();
    return { batchNo, status: outcomeStatus(reader.u8()), bytes: reader.bytes32() };
  });
  reader.end();
  return { session, batches };
}

function outcomeStatus(value: number): OutcomeStatus {
  for (const status of Object.values(OutcomeStatus)) if (status === value) return status;
  throw new DecodeError('unknown outcome status');
}

export interface OutcomesQuery {
  readonly session: number;
  readonly minIndex: LogIndex;
  readonly batches: readonly number[];
}

export function encodeOutcomesQuery(query: OutcomesQuery): Uint8Array {
  const writer = new ByteWriter(18 + 8 * query.batches.length)
    .u64(query.session)
    .u64(query.minIndex)
    .u16(query.batches.length);
  for (const batchNo of query.batches) writer.u64(batchNo);
  return writer.finish();
}

export function decodeOutcomesQuery(body: Uint8Array): OutcomesQuery {
  const reader = new ByteReader(body);
  const session = reader.u64();
  const minIndex = logIndex(reader.u64());
  const batches = reader.list(reader.u16(), () => reader.u64());
  reader.end();
  return { session, minIndex, batches };
}
