/**
 * Committed entries on their way to storages.
 *
 *   entry: u64 index · u64 term · u8 kind · u64 chain · u32+body
 *   live:  u64 cluster tag · entry · u16 routes × route     one per batch of the entry, in order
 *   pull:  u64 from · u32 max bytes              reply: u64 cluster tag · u64 first index · archived
 *   archived: u64 commit index · u16 entries × entry       the body of a message of KV_LOG, too
 *
 * A pull is answered with entries at or below the answering replica's own commit index only. Its
 * first index above what was asked for says that the log was cut there.
 */
import {
  ByteReader,
  ByteWriter,
  chain,
  type Chain,
  DecodeError,
  logIndex,
  type LogIndex,
  term,
  type Term,
} from '@kvstore/std';
import { decodeRoute, encodeRoute, type OutcomeRoute } from './propose.ts';

/** What the log holds at an index, as far as a storage cares. */
export interface LogEntry {
  readonly index: LogIndex;
  readonly term: Term;
  /** 0 opens a term, 1 carries data, 2 says who takes part in consensus. */
  readonly kind: 0 | 1 | 2;
  readonly chain: Chain;
  readonly body: Uint8Array;
}

const ENTRY_OVERHEAD_BYTES = 29;

export function encodeEntry(writer: ByteWriter, entry: LogEntry): void {
  writer.u64(entry.index).u64(entry.term).u8(entry.kind).u64(entry.chain).bytes32(entry.body);
}

export function decodeEntry(reader: ByteReader): LogEntry {
  const index = logIndex(reader.u64());
  const entryTerm = term(reader.u64());
  const kind = reader.u8();
  if (kind !== 0 && kind !== 1 && kind !== 2) throw new DecodeError('unknown entry kind');
  return { index, term: entryTerm, kind, chain: chain(reader.u64()), body: reader.bytes32() };
}

export interface Live {
  /** Of the cluster whose log it is: another one may share the bus, the name and the secret. */
  readonly clusterTag: number;
  readonly entry: LogEntry;
  readonly routes: readonly OutcomeRoute[];
}

export function encodeLive(live: Live): Uint8Array {
  const writer = new ByteWriter(
    8 + ENTRY_OVERHEAD_BYTES + live.entry.body.length + 2 + live.routes.length * 98,
  ).u64(live.clusterTag);
  encodeEntry(writer, live.entry);
  writer.u16(live.routes.length);
  for (const route of live.routes) encodeRoute(writer, route);
  return writer.finish();
}

export function decodeLive(body: Uint8Array): Live {
  const reader = new ByteReader(body);
  const clusterTag = reader.u64();
  const entry = decodeEntry(reader);
  const routes = reader.list(reader.u16(), decodeRoute);
  reader.end();
  return { clusterTag, entry, routes };
}

export interface Pull {
  readonly from: LogIndex;
  readonly maxBytes: number;
}

export function encodePull(pull: Pull): Uint8Array {
  return new ByteWriter(12).u64(pull.from).u32(pull.maxBytes).finish();
}

export function decodePull(body: Uint8Array): Pull {
  const reader = new ByteReader(body);
  const pull = { from: logIndex(reader.u64()), maxBytes: reader.u32() };
  reader.end();
  return pull;
}

/** Committed entries that follow one another. */
export interface Archived {
  readonly commitIndex: LogIndex;
  readonly entries: readonly LogEntry[];
}

export interface PullReply extends Archived {
  readonly clusterTag: number;
  /** The first entry that the answering replica's log still holds. */
  readonly firstIndex: LogIndex;
}

export function encodePullReply(reply: PullReply): Uint8Array {
  const writer = new ByteWriter(16 + archivedBytes(reply))
    .u64(reply.clusterTag)
    .u64(reply.firstIndex);
  writeArchived(writer, reply);
  return writer.finish();
}

export function decodePullReply(body: Uint8Array): PullReply {
  const reader = new ByteReader(body);
  const clusterTag = reader.u64();
  const firstIndex = logIndex(reader.u64());
  const archived = readArchived(reader);
  reader.end();
  return { clusterTag, firstIndex, ...archived };
}

export function encodeArchived(archived: Archived): Uint8Array {
  const writer = new ByteWriter(archivedBytes(archived));
  writeArchived(writer, archived);
  return writer.finish();
}

export function decodeArchived(body: Uint8Array): Archived {
  const reader = new ByteReader(body);
  const archived = readArchived(reader);
  reader.end();
  return archived;
}

function archivedBytes({ entries }: Archived): number {
  let bytes = 10;
  for (const entry of entries) bytes += ENTRY_OVERHEAD_BYTES + entry.body.length;
  return bytes;
}

function writeArchived(writer: ByteWriter, { commitIndex, entries }: Archived): void {
  writer.u64(commitIndex).u16(entries.length);
  for (const entry of entries) encodeEntry(writer, entry);
}

function readArchived(reader: ByteReader): Archived {
  const commitIndex = logIndex(reader.u64());
  const entries = reader.list(reader.u16(), decodeEntry);
  return { commitIndex, entries };
}
