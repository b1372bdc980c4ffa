/** ReadIndex: gateway → leader. The request has no body; the term rides in the frame. */
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  encodeUtf8,
  logIndex,
  type LogIndex,
  type NodeId,
} from '@kvstore/std';
import { optionalNode } from './propose.ts';

export type ReadIndexReply =
  /** Everything acknowledged before the request was sent is at or below `index`. */
  | { readonly kind: 'granted'; readonly index: LogIndex }
  | { readonly kind: 'not-leader'; readonly leader: NodeId | undefined }
  | { readonly kind: 'overloaded' };

export function encodeReadIndexReply(reply: ReadIndexReply): Uint8Array {
  const writer = new ByteWriter(48);
  if (reply.kind === 'granted') return writer.u8(1).u64(reply.index).finish();
  if (reply.kind === 'not-leader') {
    return writer
      .u8(2)
      .bytes8(encodeUtf8(reply.leader ?? ''))
      .finish();
  }
  return writer.u8(3).finish();
}

export function decodeReadIndexReply(body: Uint8Array): ReadIndexReply {
  const reader = new ByteReader(body);
  const reply = decodeReply(reader);
  reader.end();
  return reply;
}

function decodeReply(reader: ByteReader): ReadIndexReply {
  const kind = reader.u8();
  if (kind === 1) return { kind: 'granted', index: logIndex(reader.u64()) };
  if (kind === 2) return { kind: 'not-leader', leader: optionalNode(reader) };
  if (kind === 3) return { kind: 'overloaded' };
  throw new DecodeError('unknown read-index reply');
}
