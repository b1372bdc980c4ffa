/**
 * The messages of `proto/kvstore/v1/kvstore.proto` as they arrive: names as in the contract, defaults filled
 * in, text that is needed as bytes left as bytes (checked to be UTF-8), 64-bit integers as numbers (inexact
 * above 2^53, hence checked), enums by number. Values are views of the message.
 *
 * Decoded by hand: keys stay bytes, text is checked once, and nothing is built that is not needed (ADR 11).
 * Throws `DecodeError`. A field that comes twice: the last one counts, messages are merged, lists joined.
 */
import { Limits } from '@kvstore/contract';
import { DecodeError } from '@kvstore/std';
import { ProtoReader, WireType } from './proto-reader.ts';

export interface Conditions {
  /** Undefined: not set. */
  readonly exists: boolean | undefined;
  readonly version: number | undefined;
  readonly mod_revision_in: readonly number[];
  readonly mod_revision_not_in: readonly number[];
}

export interface KeyName {
  readonly namespace: string;
  readonly key: Uint8Array;
}

export interface PutMessage extends KeyName {
  readonly value: Uint8Array;
  readonly content_type: string;
  readonly ttl_seconds: number;
  readonly tags: ReadonlyMap<string, string> | undefined;
  readonly conditions: Conditions | undefined;
  readonly idempotency_key: string;
}

export interface GetMessage extends KeyName {
  readonly consistency: number;
  readonly min_revision: number;
  readonly revision: number;
}

export interface DeleteMessage extends KeyName {
  readonly strict: boolean;
  readonly conditions: Conditions | undefined;
  readonly idempotency_key: string;
}

/** Of every request about members; a method ignores what it has no field for. */
export interface MemberMessage {
  readonly node: string;
  readonly priority: number;
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

interface OpenConditions extends Mutable<Conditions> {
  readonly mod_revision_in: number[];
  readonly mod_revision_not_in: number[];
}

const NONE = new Uint8Array(0);
/** Somewhat above a limit of the contract is told so; a peer must not make us collect a million. */
const SLACK = 64;
const TAGS_MAX = Limits.tagsMax * SLACK;
const REVISIONS_MAX = Limits.conditionRevisionsMax * SLACK;
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
  return read(bytes, message, takePutField);
}

export function readGet(bytes: Buffer): GetMessage {
  const message: Mutable<GetMessage> = {
    namespace: '',
    key: NONE,
    consistency: 0,
    min_revision: 0,
    revision: 0,
  };
  return read(bytes, message, takeGetField);
}

export function readDelete(bytes: Buffer): DeleteMessage {
  const message: Mutable<DeleteMessage> = {
    namespace: '',
    key: NONE,
    strict: false,
    conditions: undefined,
    idempotency_key: '',
  };
  return read(bytes, message, takeDeleteField);
}

export function readMember(bytes: Buffer): MemberMessage {
  const message: Mutable<MemberMessage> = { node: '', priority: 0 };
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(BYTES)) message.node = reader.text();
    else if (field === 2 && reader.is(VARINT)) message.priority = reader.uint64();
    else if (field > 2) reader.skip();
  }
  return message;
}

/** A message without fields: checks that it is one. */
export function readEmpty(bytes: Buffer): void {
  const reader = new ProtoReader(bytes);
  while (reader.next() !== 0) reader.skip();
}

/** Fills a message, whose fields behind the key `take` takes. */
function read<M extends Mutable<KeyName>>(
  bytes: Buffer,
  message: M,
  take: (message: M, field: number, reader: ProtoReader) => void,
): M {
  const reader = new ProtoReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(BYTES)) message.namespace = reader.text();
    else if (field === 2 && reader.is(BYTES)) message.key = reader.utf8();
    else if (field > 2) take(message, field, reader);
  }
  return message;
}

function takePutField(message: Mutable<PutMessage>, field: number, reader: ProtoReader): void {
  if (field === 3 && reader.is(BYTES)) message.value = reader.bytes();
  else if (field === 4 && reader.is(BYTES)) message.content_type = reader.text();
  else if (field === 5 && reader.is(VARINT)) message.ttl_seconds = reader.int64();
  else if (field === 6 && reader.is(BYTES)) {
    message.tags = readTag(reader.message(), message.tags as Map<string, string> | undefined);
  } else if (field === 7 && reader.is(BYTES)) {
    message.conditions = readConditions(reader.message(), message.conditions);
  } else if (field === 8 && reader.is(BYTES)) message.idempotency_key = reader.text();
  else if (field > 8) reader.skip();
}

function takeGetField(message: Mutable<GetMessage>, field: number, reader: ProtoReader): void {
  if (field === 3 && reader.is(VARINT)) message.consistency = reader.uint64();
  else if (field === 4 && reader.is(VARINT)) message.min_revision = reader.uint64();
  else if (field === 5 && reader.is(VARINT)) message.revision = reader.uint64();
  else if (field > 5) reader.skip();
}

function takeDeleteField(
  message: Mutable<DeleteMessage>,
  field: number,
  reader: ProtoReader,
): void {
  if (field === 3 && reader.is(VARINT)) message.strict = reader.bool();
  else if (field === 4 && reader.is(BYTES)) {
    message.conditions = readConditions(reader.message(), message.conditions);
  } else if (field === 5 && reader.is(BYTES)) message.idempotency_key = reader.text();
  else if (field > 5) reader.skip();
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

function noConditions(): OpenConditions {
  return { exists: undefined, version: undefined, mod_revision_in: [], mod_revision_not_in: [] };
}

/** Adds to `earlier`, which is still open. */
function readConditions(reader: ProtoReader, earlier: Conditions | undefined): Conditions {
  const into = (earlier as OpenConditions | undefined) ?? noConditions();
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 && reader.is(VARINT)) into.exists = reader.bool();
    else if (field === 2 && reader.is(VARINT)) into.version = reader.uint64();
    else if (field === 3) readNumbers(reader, into.mod_revision_in);
    else if (field === 4) readNumbers(reader, into.mod_revision_not_in);
    else if (field > 4) reader.skip();
  }
  return into;
}

/** One number, or a packed list of them. */
function readNumbers(reader: ProtoReader, into: number[]): void {
  if (reader.wireType === VARINT) {
    addRevision(into, reader.uint64());
  } else if (reader.is(BYTES)) {
    const packed = reader.message();
    while (!packed.done) addRevision(into, packed.uint64());
  }
}

function addRevision(into: number[], revision: number): void {
  into.push(revision);
  if (into.length > REVISIONS_MAX) throw new DecodeError('too many revisions');
}
