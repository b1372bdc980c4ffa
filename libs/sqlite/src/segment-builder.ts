/**
 * Builds the bytes of a segment file: a database in memory, filled and serialized. Synchronous and
 * long (a third of a second for a file of 41 MB), so it runs in the worker thread, with rests.
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
import { DutyCycle } from './duty-cycle.ts';
import { SEGMENT_SCHEMA } from './segment-schema.ts';

export interface BuiltSegment {
  readonly properties: SegmentProperties;
  /** The file; in a buffer of its own, so that it can be transferred. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** A piece of the file that is copied and hashed in a fraction of a millisecond. */
const PIECE_BYTES = 256 * 1024;

/** `hurry`: memory of the `Hurry` of whoever may come to wait for the segment. */
export function buildSegment(
  memtable: SharedMemtable,
  options: SegmentOptions,
  hurry: SharedArrayBuffer,
): BuiltSegment {
  const duty = new DutyCycle(hurry);
  const connection = openConnection(':memory:');
  try {
    connection.exec(SEGMENT_SCHEMA);
    connection.exec('BEGIN');
    const properties = writeSegment(new Memtable(memtable), options, rowSink(connection, duty));
    connection.exec('COMMIT');
    return { properties, ...copied(connection.serialize(), duty) };
  } finally {
    connection.close();
  }
}

/** Into memory that can be transferred, with its hash. */
function copied(file: Uint8Array, duty: DutyCycle): Pick<BuiltSegment, 'bytes' | 'sha256'> {
  const bytes = new Uint8Array(file.length);
  const hash = createHash('sha256');
  for (let at = 0; at < file.length; at += PIECE_BYTES) {
    const piece = file.subarray(at, at + PIECE_BYTES);
    bytes.set(piece, at);
    hash.update(piece);
    duty.step();
  }
  return { bytes, sha256: hash.digest('hex') };
}

function rowSink(connection: Connection, duty: DutyCycle): SegmentSink {
  const insertBlock = connection.prepare(
    'INSERT INTO block (id, checksum, bytes) VALUES (?, ?, ?)',
  );
  const insertPart = connection.prepare('INSERT INTO part (id, checksum, bytes) VALUES (?, ?, ?)');
  return {
    block: (number, bytes, checksum) => {
      insertBlock.run(number, checksum, bytes);
      duty.step();
    },
    part: (part, bytes, checksum) => void insertPart.run(part, checksum, bytes),
  };
}
