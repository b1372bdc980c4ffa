/**
 * Proposing: gateway → leader, one batch per message.
 *
 *   propose: u8+home · u8+gateway · u32+batch        reply: u8 kind · fields
 *
 * Home and gateway are the envelope: they steer the outcomes and never enter the log.
 */
import {
  assertNever,
  ByteReader,
  ByteWriter,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  isNodeId,
  logIndex,
  type LogIndex,
  type NodeId,
} from '@kvstore/std';
import { isSubjectToken } from './subjects.ts';

/** Where the outcomes of a batch go: applied at `home`, sent to `gateway`. */
export interface OutcomeRoute {
  readonly home: NodeId;
  readonly gateway: string;
}

export interface Propose {
  readonly route: OutcomeRoute;
  readonly batch: Uint8Array;
}

export function encodeRoute(writer: ByteWriter, route: OutcomeRoute): void {
  writer.bytes8(encodeUtf8(route.home)).bytes8(encodeUtf8(route.gateway));
}

export function decodeRoute(reader: ByteReader): OutcomeRoute {
  const home = decodeUtf8(reader.bytes8());
  const gateway = decodeUtf8(reader.bytes8());
  if (!isNodeId(home) || !isSubjectToken(gateway)) throw new DecodeError('bad route');
  return { home, gateway };
}

export function encodePropose(propose: Propose): Uint8Array {
  const writer = new ByteWriter(128 + propose.batch.length);
  encodeRoute(writer, propose.route);
  return writer.bytes32(propose.batch).finish();
}

export function decodePropose(body: Uint8Array): Propose {
  const reader = new ByteReader(body);
  const propose = { route: decodeRoute(reader), batch: reader.bytes32() };
  reader.end();
  return propose;
}

export const RefusalReason = {
  /** Uncommitted or unapplied work is over its bound. */
  overloaded: 1,
  /** The log cannot be extended: the disk is full. */
  diskFull: 2,
  /** The batch breaks the cut rules. */
  malformed: 3,
} as const;
export type RefusalReason = (typeof RefusalReason)[keyof typeof RefusalReason];

export type ProposeReply =
  /** Committed at this index. */
  | { readonly kind: 'committed'; readonly index: LogIndex }
  /** Certainly not appended by this attempt. */
  | { readonly kind: 'not-leader'; readonly leader: NodeId | undefined }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }
  /** Appended, then leadership was lost: it may still be committed. */
  | { readonly kind: 'unknown' };

export function encodeProposeReply(reply: ProposeReply): Uint8Array {
  const writer = new ByteWriter(48);
  switch (reply.kind) {
    case 'committed':
      return writer.u8(1).u64(reply.index).finish();
    case 'not-leader':
      return writer
        .u8(2)
        .bytes8(encodeUtf8(reply.leader ?? ''))
        .finish();
    case 'refused':
      return writer.u8(3).u8(reply.reason).finish();
    case 'unknown':
      return writer.u8(4).finish();
    default:
      return assertNever(reply);
  }
}

export function decodeProposeReply(body: Uint8Array): ProposeReply {
  const reader = new ByteReader(body);
  const reply = decodeReply(reader);
  reader.end();
  return reply;
}

function decodeReply(reader: ByteReader): ProposeReply {
  const kind = reader.u8();
  if (kind === 1) return { kind: 'committed', index: logIndex(reader.u64()) };
  if (kind === 2) return { kind: 'not-leader', leader: optionalNode(reader) };
  if (kind === 3) return { kind: 'refused', reason: refusalReason(reader.u8()) };
  if (kind === 4) return { kind: 'unknown' };
  throw new DecodeError('unknown propose reply');
}

function refusalReason(value: number): RefusalReason {
  for (const reason of Object.values(RefusalReason)) if (reason === value) return reason;
  throw new DecodeError('unknown refusal reason');
}

/** A node id in a u8-length field; empty means none. */
export function optionalNode(reader: ByteReader): NodeId | undefined {
  const name = decodeUtf8(reader.bytes8());
  if (name === '') return undefined;
  if (!isNodeId(name)) throw new DecodeError('bad node id');
  return name;
}
