/**
 * Every decoder of this lib, from bytes that no disk should give. Where a checksum covers everything, it is made
 * right again after the damage: what stands behind it must not be believed either.
 */
import { join } from 'node:path';
import { chain, crc32c, encodeUtf8, logIndex, nodeId, term } from '@kvstore/std';
import { hostileBytes, makeBase, makeBody, makeEntries } from '@kvstore/testing';
import { decodeSequence, encodeSequence } from './durable-mark.ts';
import { decodeNote, encodeNote } from './durable-note.ts';
import * as hardState from './hard-state-file.ts';
import * as logBase from './log-base-file.ts';
import {
  decodeRecord,
  encodeRecord,
  findHeader,
  type LogRecord,
  RECORD_HEADER_BYTES,
  recordBytes,
} from './log-record.ts';
import { decodeHeader, encodeHeader, SEGMENT_HEADER_BYTES } from './segment-header.ts';
import { decodeSlot, encodeSlot, SLOT_BYTES } from './slot-file.ts';

const corpus = join(import.meta.dirname, '../testdata/hostile');
const SEED = 0x1234_5678;
const position = { index: logIndex(7), term: term(2), chain: chain(99) };

function putU32(bytes: Uint8Array, at: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value);
}

/** `bytes`, then zeros up to a checksum at the end of `size` bytes. */
function sealed(bytes: Uint8Array, size: number): Uint8Array {
  const whole = new Uint8Array(size);
  whole.set(bytes.subarray(0, size - 4));
  putU32(whole, size - 4, crc32c(whole.subarray(0, size - 4)));
  return whole;
}

/** What `sealed` was made of. */
function unsealed(bytes: Uint8Array): Uint8Array {
  let end = bytes.length - 4;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.slice(0, end);
}

function encodedRecord({ entry, ...marks }: Omit<LogRecord, 'bytes'>): Uint8Array {
  const bytes = new Uint8Array(recordBytes(entry.body.length));
  encodeRecord(bytes, 0, entry, marks, SEED);
  return bytes;
}

function recordOf(bytes: Uint8Array): LogRecord | string {
  const decoded = decodeRecord(bytes, 0, SEED);
  findHeader(bytes, 0, SEED);
  if (decoded.kind === 'record') return decoded.record;
  return decoded.kind === 'bad' ? decoded.reason : decoded.kind;
}

/** With the checksums of what the record claims to be, as far as it is there. */
function resealedRecord(damaged: Uint8Array): Uint8Array {
  const bytes = damaged.slice();
  if (bytes.length < RECORD_HEADER_BYTES) return bytes;
  const view = new DataView(bytes.buffer);
  const end = recordBytes(view.getUint32(8) & 0xff_ffff);
  putU32(bytes, 12, crc32c(bytes.subarray(RECORD_HEADER_BYTES, end), SEED));
  putU32(bytes, 4, crc32c(bytes.subarray(8, RECORD_HEADER_BYTES), SEED));
  return bytes;
}

const marks = { sequence: 9, synced: 7, acknowledged: logIndex(6) };
const records = [0, 5, 21].map((bodyBytes) => {
  const [entry] = makeEntries(undefined, 3, [makeBody(bodyBytes, 1)]);
  if (entry === undefined) throw new Error('no entry');
  return encodedRecord({ ...marks, entry });
});
for (const [name, seal] of [
  ['log record', (bytes: Uint8Array) => bytes],
  ['log record sealed', resealedRecord],
] as const) {
  hostileBytes(name, {
    samples: records,
    decode: (bytes) => recordOf(seal(bytes)),
    encode: (record) => encodedRecord(record as LogRecord),
    refusalOf: (record) => (typeof record === 'string' ? record : undefined),
    // Others follow it in its segment, and what fills it up to eight bytes says nothing.
    isOpenEnded: true,
    isLenient: true,
    corpus,
  });
}

const header = { label: 'c/g0', segmentBytes: 1 << 20, firstSequence: 12, previous: position };
hostileBytes('segment header', {
  samples: [unsealed(encodeHeader(header).bytes)],
  decode: (bytes) => {
    const decoded = decodeHeader(sealed(bytes, SEGMENT_HEADER_BYTES));
    return decoded.kind === 'header' ? decoded.header : decoded.reason;
  },
  encode: (decoded) => unsealed(encodeHeader(typeof decoded === 'string' ? header : decoded).bytes),
  refusalOf: (decoded) => (typeof decoded === 'string' ? decoded : undefined),
  isOpenEnded: true,
  isLenient: true,
  corpus,
});

const identity = { magic: 'KVHARDST', label: 'c/g0/a' };
hostileBytes('slot', {
  samples: [unsealed(encodeSlot(identity, 3, encodeUtf8('payload')))],
  decode: (bytes) => decodeSlot(sealed(bytes, SLOT_BYTES), identity),
  refusalOf: ({ kind }) => (kind === 'valid' ? undefined : kind),
  isOpenEnded: true,
  corpus,
});

test('a slot of another size, or with another checksum, is bad', () => {
  const slot = encodeSlot(identity, 3, encodeUtf8('payload'));
  expect(decodeSlot(slot, identity).kind).toBe('valid');
  for (const length of [0, 1, 4, 100, SLOT_BYTES - 1]) {
    expect(decodeSlot(slot.subarray(0, length), identity).kind).toBe('bad');
  }
  for (let at = 0; at < SLOT_BYTES; at += 31) {
    const damaged = slot.slice();
    damaged[at] = (damaged[at] as number) ^ 0x10;
    expect(decodeSlot(damaged, identity).kind).toBe('bad');
  }
});

hostileBytes('hard state', {
  samples: [
    hardState.encodeStored({ state: { term: term(4), vote: nodeId('a') }, repairTerm: term(2) }),
    hardState.encodeStored({ state: { term: term(4), vote: undefined }, repairTerm: term(0) }),
  ],
  decode: hardState.decodeStored,
  encode: hardState.encodeStored,
  corpus,
});

hostileBytes('durable mark', {
  samples: [encodeSequence(12)],
  decode: decodeSequence,
  encode: encodeSequence,
  corpus,
});

for (const [name, seal] of [
  ['durable note', (bytes: Uint8Array) => bytes],
  ['durable note sealed', (bytes: Uint8Array) => sealed(bytes, 12)],
] as const) {
  hostileBytes(name, {
    samples: [encodeNote(12)],
    decode: (bytes) => decodeNote(seal(bytes)),
    refusalOf: (sequence) => (sequence === 0 ? 'none' : undefined),
    isOpenEnded: name === 'durable note sealed',
    corpus,
  });
}

hostileBytes('log base', {
  samples: [logBase.encodeStored({ firstSequence: 12, base: makeBase(position) })],
  decode: logBase.decodeStored,
  encode: logBase.encodeStored,
  refusalOf: ({ base }) => (base === undefined ? 'never cut' : undefined),
  corpus,
});
