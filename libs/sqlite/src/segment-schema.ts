/**
 * The tables of a segment file. Blocks are rows by number; index, filter and properties are parts,
 * by `SegmentPart`. Checksums are the format's own (SQLite has none), verified by the reader.
 */
export const SEGMENT_APPLICATION_ID = 0x6b_76_73_67;

/** With 4 KiB pages a block takes a chain of overflow pages and the file has the least padding. */
export const SEGMENT_SCHEMA = `
  PRAGMA page_size = 4096;
  PRAGMA journal_mode = OFF;
  PRAGMA application_id = ${SEGMENT_APPLICATION_ID};
  CREATE TABLE block (id INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE part (id INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
`;
