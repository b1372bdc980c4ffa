/**
 * The mark, published by the leader with every heartbeat: what is committed, and who takes part. Live
 * entries are a speed-up, the mark is the guarantee. Gateways and storages learn the leader from its sender.
 *
 *   u64 cluster tag · u64 commit index · u64 chain at it · u64 cut point · u64 flush to · u32 epoch
 *   · u64 archive from · u8 members × u8+id
 */
import {
  ByteReader,
  ByteWriter,
  chain,
  type Chain,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  isNodeId,
  logIndex,
  type LogIndex,
  type NodeId,
} from '@kvstore/std';

export interface Mark {
  /** Tells founded clusters of one name apart: what a storage keeps belongs to one tag for ever. */
  readonly clusterTag: number;
  readonly commitIndex: LogIndex;
  readonly chain: Chain;
  /** The storages of a majority of the voters have fsynced everything up to here. */
  readonly cutPoint: LogIndex;
  /**
   * A storage that has applied this much, and holds less of it durably, flushes now: a change of members waits
   * for it. It may be above the cut point. 0: none does.
   */
  readonly flushTo: LogIndex;
  /** Of the stream that the committed log is archived to; 0: none yet. */
  readonly epoch: number;
  /** The first entry that this stream does not hold; 0: not known. */
  readonly archiveFrom: LogIndex;
  /** Everybody who is sent the log, learners and leaving voters included; at most 255. */
  readonly members: readonly NodeId[];
}

export function encodeMark(mark: Mark): Uint8Array {
  const writer = new ByteWriter(64)
    .u64(mark.clusterTag)
    .u64(mark.commitIndex)
    .u64(mark.chain)
    .u64(mark.cutPoint)
    .u64(mark.flushTo)
    .u32(mark.epoch)
    .u64(mark.archiveFrom)
    .u8(mark.members.length);
  for (const node of mark.members) writer.bytes8(encodeUtf8(node));
  return writer.finish();
}

export function decodeMark(body: Uint8Array): Mark {
  const reader = new ByteReader(body);
  const mark = {
    clusterTag: reader.u64(),
    commitIndex: logIndex(reader.u64()),
    chain: chain(reader.u64()),
    cutPoint: logIndex(reader.u64()),
    flushTo: logIndex(reader.u64()),
    epoch: reader.u32(),
    archiveFrom: logIndex(reader.u64()),
    members: reader.list(reader.u8(), decodeNode),
  };
  reader.end();
  return mark;
}

function decodeNode(reader: ByteReader): NodeId {
  const name = decodeUtf8(reader.bytes8());
  if (!isNodeId(name)) throw new DecodeError('bad node id');
  return name;
}
