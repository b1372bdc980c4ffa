/**
 * The mark, published by the leader with every heartbeat: what is committed. Live entries are a
 * speed-up, the mark is the guarantee. Gateways and storages learn the leader from its sender.
 *
 *   u64 commit index · u64 chain at it
 */
import { ByteReader, ByteWriter, chain, type Chain, logIndex, type LogIndex } from '@kvstore/std';

export interface Mark {
  readonly commitIndex: LogIndex;
  readonly chain: Chain;
}

export function encodeMark(mark: Mark): Uint8Array {
  return new ByteWriter(16).u64(mark.commitIndex).u64(mark.chain).finish();
}

export function decodeMark(body: Uint8Array): Mark {
  const reader = new ByteReader(body);
  const mark = { commitIndex: logIndex(reader.u64()), chain: chain(reader.u64()) };
  reader.end();
  return mark;
}
