/**
 * The messages of `proto/kvstore/v1/kvstore.proto` as they arrive: names as in the contract, defaults filled
 * in, text that is needed as bytes left as bytes (checked to be UTF-8), 64-bit integers as numbers (inexact
 * above 2^53, hence checked), enums by number. Values are views of the message.
 *
 * Decoded by hand: keys stay bytes, text is checked once, and nothing is built that is not needed (ADR 11).
 * Throws `DecodeError`. A field that comes twice: the last one counts, messages are merged, lists joined.
 */
import { DecodeError } from '@kvstore/std';
import { ProtoReader, WireType } from './proto-reader.ts';

export interface Conditions {
  /** Undefined: not set. */
  readonly exists: boolean | undefined;
  readonly version: number | undefined;
  readonly mod_revision_in: readonly number[];
  readonly mod_revision_not_in: readonly number[];
}

export interface PutMessage {
  readonly namespace: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly content_type: string;
  readonly ttl_seconds: number;
  readonly tags: ReadonlyMap<string, string> | undefined;
  readonly conditions: Conditions | undefined;
  readonly idempotency_key: string;
}

export interface GetMessage {
  readonly namespace: string;
  readonly key: Uint8Array;
  readonly consistency: number;
  readonly min_revision: number;
  readonly revision: number;
}

export interface DeleteMessage {
  readonly namespace: string;
  readonly key: Uint8Array;
  readonly strict: boolean;
  readonly conditions: Conditions | undefined;
  readonly idempotency_key: string;
}

/** The numbers of the enum `Consistency`. */
export const ConsistencyNumber = {
  unspecified: 0,
  linearizable: 1,
  lease: 2,
  session: 3,
  eventual: 4,
} as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NONE = new Uint8Array(0);
/** More cannot pass the contract's limit; a peer must not make us collect a million. */
const TAGS_MAX = 1_024;
const { varint: VARINT, bytes: BYTES } = WireType;

export function readPut(bytes: Buffer): PutMessage {
  const message: Mutable<PutMessage> = {
    namespace: '',
    key: NONE,
    value: NONE,
    content_type: '',
    ttl_seconds: 0,
    tags: undefined,
    conditions: undefined,
    idempotency_key: '',
  };
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(BYTES)) message.namespace = reader.text();
    else if (field === 2 && reader.is(BYTES)) message.key = reader.utf8();
    else if (field === 3 && reader.is(BYTES)) message.value = reader.bytes();
    else if (field === 4 && reader.is(BYTES)) message.content_type = reader.text();
    else if (field === 5 && reader.is(VARINT)) message.ttl_seconds = reader.int64();
    else if (field === 6 && reader.is(BYTES)) {
      message.tags = readTag(reader.message(), message.tags as Map<string, string> | undefined);
    } else if (field === 7 && reader.is(BYTES)) {
      message.conditions = readConditions(reader.message(), message.conditions);
    } else if (field === 8 && reader.is(BYTES)) message.idempotency_key = reader.text();
    else if (field > 8) reader.skip();
  }
  return message;
}

export function readGet(bytes: Buffer): GetMessage {
  const message: Mutable<GetMessage> = {
    namespace: '',
    key: NONE,
    consistency: 0,
    min_revision: 0,
    revision: 0,
  };
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(BYTES)) message.namespace = reader.text();
    else if (field === 2 && reader.is(BYTES)) message.key = reader.utf8();
    else if (field === 3 && reader.is(VARINT)) message.consistency = reader.uint64();
    else if (field === 4 && reader.is(VARINT)) message.min_revision = reader.uint64();
    else if (field === 5 && reader.is(VARINT)) message.revision = reader.uint64();
    else if (field > 5) reader.skip();
  }
  return message;
}

export function readDelete(bytes: Buffer): DeleteMessage {
  const message: Mutable<DeleteMessage> = {
    namespace: '',
    key: NONE,
    strict: false,
    conditions: undefined,
    idempotency_key: '',
  };
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(BYTES)) message.namespace = reader.text();
    else if (field === 2 && reader.is(BYTES)) message.key = reader.utf8();
    else if (field === 3 && reader.is(VARINT)) message.strict = reader.bool();
    else if (field === 4 && reader.is(BYTES)) {
      message.conditions = readConditions(reader.message(), message.conditions);
    } else if (field === 5 && reader.is(BYTES)) message.idempotency_key = reader.text();
    else if (field > 5) reader.skip();
  }
  return message;
}

/** A message without fields: checks that it is one. */
export function readEmpty(bytes: Buffer): void {
  const reader = new ProtoReader(bytes);
  while (reader.next() !== 0) reader.skip();
}

function readTag(reader: ProtoReader, into: Map<string, string> = new Map()): Map<string, string> {
  let name = '';
  let value = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(BYTES)) name = reader.text();
    else if (field === 2 && reader.is(BYTES)) value = reader.text();
    else if (field > 2) reader.skip();
  }
  into.set(name, value);
  if (into.size > TAGS_MAX) throw new DecodeError('too many tags');
  return into;
}

function readConditions(reader: ProtoReader, earlier: Conditions | undefined): Conditions {
  const within = [...(earlier?.mod_revision_in ?? [])];
  const without = [...(earlier?.mod_revision_not_in ?? [])];
  let exists = earlier?.exists;
  let version = earlier?.version;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(VARINT)) exists = reader.bool();
    else if (field === 2 && reader.is(VARINT)) version = reader.uint64();
    else if (field === 3) readNumbers(reader, within);
    else if (field === 4) readNumbers(reader, without);
    else if (field > 4) reader.skip();
  }
  return { exists, version, mod_revision_in: within, mod_revision_not_in: without };
}

/** One number, or a packed list of them. */
function readNumbers(reader: ProtoReader, into: number[]): void {
  if (reader.wireType === VARINT) {
    into.push(reader.uint64());
  } else if (reader.is(BYTES)) {
    const packed = reader.message();
    while (!packed.done) into.push(packed.uint64());
  }
}
