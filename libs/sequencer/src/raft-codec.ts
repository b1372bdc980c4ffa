/**
 * Raft messages on the wire: u64 cluster tag · u64 wall clock · u8 format · u8 kind · u8+from · u8+to ·
 * u64 term · fields. Entries as everywhere. The tag keeps apart two clusters of one name and secret that
 * were founded apart; by the clocks that come with its votes a leader knows the time before its first
 * stamp. A message of another format is refused: what it lacks cannot be guessed. Throws
 * `DecodeError`; what is well-formed but wrong is the core's to refuse.
 */
import { decodeEntry, encodeEntry } from '@kvstore/contract';
import {
  assertNever,
  ByteReader,
  ByteWriter,
  chain,
  DecodeError,
  encodeUtf8,
  logIndex,
  type NodeId,
  term,
  type Term,
} from '@kvstore/std';
import type { AppendResponse, Message } from '@kvstore/raft';
import { decodeNode } from './configuration-codec.ts';
import { decodeLogBase, encodeLogBase } from './log-base-codec.ts';

/** 2: heartbeats are numbered, votes may be forced, bases and timeouts are sent. */
const FORMAT = 2;

/** Index, term, kind, chain and length of an entry. */
const ENTRY_OVERHEAD_BYTES = 29;
/** Holds any message without entries, but for a large base. */
const HEAD_BYTES = 256;

const Kind = {
  preVoteRequest: 1,
  preVoteResponse: 2,
  voteRequest: 3,
  voteResponse: 4,
  appendRequest: 5,
  appendResponse: 6,
  heartbeatRequest: 7,
  heartbeatResponse: 8,
  baseRequest: 9,
  timeoutNow: 10,
} as const;

export function encodeMessage(clusterTag: number, wallMs: number, message: Message): Uint8Array {
  const writer = new ByteWriter(capacityOf(message)).u64(clusterTag).u64(wallMs);
  const head = (kind: number): ByteWriter =>
    writer
      .u8(FORMAT)
      .u8(kind)
      .bytes8(encodeUtf8(message.from))
      .bytes8(encodeUtf8(message.to))
      .u64(message.term);
  switch (message.kind) {
    case 'pre-vote-request':
      return head(Kind.preVoteRequest).u64(message.lastIndex).u64(message.lastTerm).finish();
    case 'pre-vote-response':
      return head(Kind.preVoteResponse)
        .u8(message.granted ? 1 : 0)
        .finish();
    case 'vote-request':
      return head(Kind.voteRequest)
        .u64(message.lastIndex)
        .u64(message.lastTerm)
        .u8(message.forced ? 1 : 0)
        .finish();
    case 'vote-response':
      return head(Kind.voteResponse)
        .u8(message.granted ? 1 : 0)
        .finish();
    case 'append-request':
      head(Kind.appendRequest)
        .u64(message.previousIndex)
        .u64(message.previousTerm)
        .u64(message.previousChain)
        .u64(message.commitIndex)
        .u16(message.entries.length);
      for (const entry of message.entries) encodeEntry(writer, entry);
      return writer.finish();
    case 'append-response':
      encodeResult(head(Kind.appendResponse), message.result);
      return writer.finish();
    case 'heartbeat-request':
      return head(Kind.heartbeatRequest).u64(message.commitIndex).u64(message.round).finish();
    case 'heartbeat-response':
      return head(Kind.heartbeatResponse).u64(message.round).finish();
    case 'base-request':
      return encodeLogBase(head(Kind.baseRequest), message.base).finish();
    case 'timeout-now':
      return head(Kind.timeoutNow).finish();
    default:
      return assertNever(message);
  }
}

/** Why: a buffer that grows by doubling copies every body of a large append several times. */
function capacityOf(message: Message): number {
  let bytes = HEAD_BYTES;
  if (message.kind !== 'append-request') return bytes;
  for (const { body } of message.entries) bytes += ENTRY_OVERHEAD_BYTES + body.length;
  return bytes;
}

function encodeResult(writer: ByteWriter, result: AppendResponse['result']): void {
  if (result.kind === 'accepted') {
    writer.u8(1).u64(result.matchIndex);
    return;
  }
  writer.u8(0).u64(result.rejectedIndex).u64(result.hintIndex).u64(result.hintTerm);
}

export interface TaggedMessage {
  readonly clusterTag: number;
  /** Of the sender, when it sent this. */
  readonly wallMs: number;
  readonly message: Message;
}

export function decodeMessage(bytes: Uint8Array): TaggedMessage {
  const reader = new ByteReader(bytes);
  const clusterTag = reader.u64();
  const wallMs = reader.u64();
  if (reader.u8() !== FORMAT) throw new DecodeError('unknown format of a raft message');
  const kind = reader.u8();
  const address = { from: decodeNode(reader), to: decodeNode(reader), term: term(reader.u64()) };
  const message = decodeFields(reader, kind, address);
  reader.end();
  return { clusterTag, wallMs, message };
}

interface Address {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

function decodeFields(reader: ByteReader, kind: number, address: Address): Message {
  switch (kind) {
    case Kind.preVoteRequest:
      return { kind: 'pre-vote-request', ...address, ...lastPosition(reader) };
    case Kind.preVoteResponse:
      return { kind: 'pre-vote-response', ...address, granted: reader.flag() };
    case Kind.voteRequest:
      return {
        kind: 'vote-request',
        ...address,
        ...lastPosition(reader),
        forced: reader.flag(),
      };
    case Kind.voteResponse:
      return { kind: 'vote-response', ...address, granted: reader.flag() };
    case Kind.appendRequest:
      return decodeAppend(reader, address);
    case Kind.appendResponse:
      return { kind: 'append-response', ...address, result: decodeResult(reader) };
    case Kind.heartbeatRequest:
      return {
        kind: 'heartbeat-request',
        ...address,
        commitIndex: logIndex(reader.u64()),
        round: reader.u64(),
      };
    case Kind.heartbeatResponse:
      return { kind: 'heartbeat-response', ...address, round: reader.u64() };
    case Kind.baseRequest:
      return { kind: 'base-request', ...address, base: decodeLogBase(reader) };
    case Kind.timeoutNow:
      return { kind: 'timeout-now', ...address };
    default:
      throw new DecodeError('unknown raft message');
  }
}

function lastPosition(reader: ByteReader) {
  return { lastIndex: logIndex(reader.u64()), lastTerm: term(reader.u64()) };
}

function decodeAppend(reader: ByteReader, address: Address): Message {
  const previousIndex = logIndex(reader.u64());
  const previousTerm = term(reader.u64());
  const previousChain = chain(reader.u64());
  const commitIndex = logIndex(reader.u64());
  const entries = reader.list(reader.u16(), decodeEntry);
  return {
    kind: 'append-request',
    ...address,
    previousIndex,
    previousTerm,
    previousChain,
    commitIndex,
    entries,
  };
}

function decodeResult(reader: ByteReader): AppendResponse['result'] {
  if (reader.flag()) return { kind: 'accepted', matchIndex: logIndex(reader.u64()) };
  return {
    kind: 'rejected',
    rejectedIndex: logIndex(reader.u64()),
    hintIndex: logIndex(reader.u64()),
    hintTerm: term(reader.u64()),
  };
}
