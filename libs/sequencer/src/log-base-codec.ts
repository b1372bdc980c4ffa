/**
 * What stands before a log that was cut, in bytes, on disk as on the wire: u64 index · u64 term · u64
 * chain · u16+configuration · u16+note. The note is the header of the entry there (u64 stamp · u32
 * epoch), which whoever leads next has to go on from. Decoding throws `DecodeError`.
 */
import type { EntryHeader } from '@kvstore/contract';
import type { LogBase } from '@kvstore/raft';
import { ByteReader, ByteWriter, chain, logIndex, logTimeMs, term } from '@kvstore/std';
import { decodeConfiguration, encodeConfiguration } from './configuration-codec.ts';

export function encodeLogBase(
  writer: ByteWriter,
  { position, configuration, note }: LogBase,
): ByteWriter {
  return writer
    .u64(position.index)
    .u64(position.term)
    .u64(position.chain)
    .bytes16(encodeConfiguration(configuration))
    .bytes16(note);
}

export function decodeLogBase(reader: ByteReader): LogBase {
  const position = {
    index: logIndex(reader.u64()),
    term: term(reader.u64()),
    chain: chain(reader.u64()),
  };
  const configuration = decodeConfiguration(reader.bytes16());
  const note = reader.bytes16().slice();
  decodeBaseNote(note);
  return { position, configuration, note };
}

export function encodeBaseNote({ stamp, epoch }: EntryHeader): Uint8Array {
  return new ByteWriter(12).u64(stamp).u32(epoch).finish();
}

export function decodeBaseNote(note: Uint8Array): EntryHeader {
  const reader = new ByteReader(note);
  const header = { stamp: logTimeMs(reader.u64()), epoch: reader.u32() };
  reader.end();
  return header;
}
