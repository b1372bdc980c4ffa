/**
 * Batches, and the entries that carry them through the log.
 *
 *   batch: u8 format · u64 session · u64 batch number · u64 done-below · u16 commands × (u32+command)
 *   entry body: u8 format · u64 stamp ms · u32 epoch · u16 batches × (u32+batch) [· u16+configuration]
 *
 * The leader never looks below a batch's header: it concatenates whole batches by `cutEntries`.
 * An entry without batches carries only its stamp and epoch: the opening of a term, a clock entry, or
 * the beginning of an epoch. Bodies of format 1, from before there were epochs, lack the epoch; those of
 * format 3 end with a configuration of consensus, which is of no concern to storages.
 */
import { ByteReader, ByteWriter, DecodeError, logTimeMs, type LogTimeMs } from '@kvstore/std';
import type { Batch, Command } from '@kvstore/state-machine';
import { decodeCommand } from './command-codec.ts';
import { Limits } from './limits.ts';

const FORMAT = 1;
const ENTRY_FORMAT = 2;
const ENTRY_FORMAT_WITHOUT_EPOCH = 1;
const ENTRY_FORMAT_CONFIGURATION = 3;
const BATCH_HEADER_BYTES = 1 + 8 + 8 + 8 + 2;
const COUNT_OFFSET = BATCH_HEADER_BYTES - 2;

export interface BatchHeader {
  readonly session: number;
  readonly batchNo: number;
  readonly doneBelow: number;
  readonly commands: number;
}

/** Starts a batch in `writer`; the commands follow, each by `appendCommand`. */
export function beginBatch(writer: ByteWriter, header: BatchHeader): void {
  writer
    .u8(FORMAT)
    .u64(header.session)
    .u64(header.batchNo)
    .u64(header.doneBelow)
    .u16(header.commands);
}

export function appendCommand(writer: ByteWriter, encode: (writer: ByteWriter) => void): void {
  const at = writer.length;
  writer.u32(0);
  encode(writer);
  writer.patchU32(at, writer.length - at - 4);
}

/**
 * True when the batch is well-formed down to its command lengths and within the cut rules, so that
 * a leader may put it into an entry. Commands stay opaque.
 */
export function isProposableBatch(batch: Uint8Array): boolean {
  if (batch.length > Limits.entryBytesMax - ENTRY_HEADER_BYTES - 4) return false;
  const reader = new ByteReader(batch);
  try {
    const { commands } = header(reader);
    if (commands === 0 || commands > Limits.batchCommandsMax) return false;
    for (let i = 0; i < commands; i++) reader.bytes32();
    return reader.remaining === 0;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

export function decodeBatch(batch: Uint8Array): Batch {
  const reader = new ByteReader(batch);
  const { session, batchNo, doneBelow, commands: count } = header(reader);
  const commands: Command[] = [];
  for (let i = 0; i < count; i++) commands.push(decodeCommand(reader.bytes32()));
  reader.end();
  return { session, batchNo, doneBelow, commands };
}

function header(reader: ByteReader): BatchHeader {
  if (reader.u8() !== FORMAT) throw new DecodeError('unknown batch format');
  return {
    session: reader.u64(),
    batchNo: reader.u64(),
    doneBelow: reader.u64(),
    commands: reader.u16(),
  };
}

/** Number of commands of an encoded batch, without decoding anything else. */
function batchCommands(batch: Uint8Array): number {
  return ((batch[COUNT_OFFSET] as number) << 8) | (batch[COUNT_OFFSET + 1] as number);
}

const ENTRY_HEADER_BYTES = 1 + 8 + 4 + 2;

export interface EntryHeader {
  readonly stamp: LogTimeMs;
  /** Of the stream that archives the log from this entry on; never goes down along the log. */
  readonly epoch: number;
}

export interface EntryBody extends EntryHeader {
  readonly batches: readonly Uint8Array[];
}

export function encodeEntryBody(
  { stamp, epoch }: EntryHeader,
  batches: readonly Uint8Array[],
): Uint8Array {
  let bytes = ENTRY_HEADER_BYTES;
  for (const batch of batches) bytes += 4 + batch.length;
  const writer = new ByteWriter(bytes).u8(ENTRY_FORMAT).u64(stamp).u32(epoch).u16(batches.length);
  for (const batch of batches) writer.bytes32(batch);
  return writer.finish();
}

/** The body of an entry that says who takes part in consensus. */
export function encodeConfigurationBody(
  { stamp, epoch }: EntryHeader,
  configuration: Uint8Array,
): Uint8Array {
  return new ByteWriter(ENTRY_HEADER_BYTES + 2 + configuration.length)
    .u8(ENTRY_FORMAT_CONFIGURATION)
    .u64(stamp)
    .u32(epoch)
    .u16(0)
    .bytes16(configuration)
    .finish();
}

/** Throws `DecodeError`; the batches are views. */
export function decodeEntryBody(body: Uint8Array): EntryBody {
  return decodeBody(body).entry;
}

/** The configuration that an entry's body carries, a view; undefined for every other entry. */
export function decodeConfigurationBody(body: Uint8Array): Uint8Array | undefined {
  return decodeBody(body).configuration;
}

function decodeBody(body: Uint8Array) {
  const reader = new ByteReader(body);
  const header = entryHeader(reader);
  const batches = reader.list(reader.u16(), () => reader.bytes32());
  const configuration = body[0] === ENTRY_FORMAT_CONFIGURATION ? reader.bytes16() : undefined;
  reader.end();
  return { entry: { ...header, batches }, configuration };
}

/** The fixed part of an entry's body, without looking at its batches. Throws `DecodeError`. */
export function decodeEntryHeader(body: Uint8Array): EntryHeader {
  return entryHeader(new ByteReader(body));
}

function entryHeader(reader: ByteReader): EntryHeader {
  const format = reader.u8();
  if (format < ENTRY_FORMAT_WITHOUT_EPOCH || format > ENTRY_FORMAT_CONFIGURATION) {
    throw new DecodeError('unknown entry format');
  }
  const stamp = logTimeMs(reader.u64());
  return { stamp, epoch: format === ENTRY_FORMAT_WITHOUT_EPOCH ? 0 : reader.u32() };
}

/** How many of the first `batches` fit one entry: at least one when there is one. */
export function cutEntry(batches: readonly Uint8Array[]): number {
  let bytes = ENTRY_HEADER_BYTES;
  let commands = 0;
  let taken = 0;
  for (const batch of batches) {
    bytes += 4 + batch.length;
    commands += batchCommands(batch);
    const over = bytes > Limits.entryBytesMax || commands > Limits.entryCommandsMax;
    if (taken > 0 && over) break;
    taken += 1;
  }
  return taken;
}
