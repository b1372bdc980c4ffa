/**
 * Builds the bytes of a segment file: a database in memory, filled and serialized. Synchronous and
 * long (a second for 64 MiB), so it runs in the worker thread.
 */
import { createHash } from 'node:crypto';
import {
  Memtable,
  writeSegment,
  type SegmentOptions,
  type SegmentProperties,
  type SegmentSink,
  type SharedMemtable,
} from '@kvstore/lsm';
import { openConnection, type Connection } from './driver.ts';
import { SEGMENT_SCHEMA } from './segment-schema.ts';

export interface BuiltSegment {
  readonly properties: SegmentProperties;
  /** The file; in a buffer of its own, so that it can be transferred. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

export function buildSegment(memtable: SharedMemtable, options: SegmentOptions): BuiltSegment {
  const connection = openConnection(':memory:');
  try {
    connection.exec(SEGMENT_SCHEMA);
    connection.exec('BEGIN');
    const properties = writeSegment(new Memtable(memtable), options, rowSink(connection));
    connection.exec('COMMIT');
    const bytes = new Uint8Array(connection.serialize());
    return { properties, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
  } finally {
    connection.close();
  }
}

function rowSink(connection: Connection): SegmentSink {
  const insertBlock = connection.prepare(
    'INSERT INTO block (id, checksum, bytes) VALUES (?, ?, ?)',
  );
  const insertPart = connection.prepare('INSERT INTO part (id, checksum, bytes) VALUES (?, ?, ?)');
  return {
    block: (number, bytes, checksum) => void insertBlock.run(number, checksum, bytes),
    part: (part, bytes, checksum) => void insertPart.run(part, checksum, bytes),
  };
}
