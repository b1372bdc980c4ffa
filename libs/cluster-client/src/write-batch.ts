/** From writes that wait to the bytes of a batch. Pure: what is sent, when and how often is the writer's. */
import { appendCommand, beginBatch, encodeCommand, Limits } from '@kvstore/contract';
import { ByteWriter } from '@kvstore/std';
import type { PendingWrite } from './outstanding-batch.ts';
import type { Session } from './session.ts';

/** Upper bound of the encoded size of all. */
export function bytesOf(requests: readonly PendingWrite[]): number {
  return requests.reduce((sum, request) => sum + request.bytesMax, 0);
}

/** How many requests from `start` make the next batch: at least one. */
export function cutBatch(queue: readonly PendingWrite[], start: number): number {
  let bytes = 0;
  let count = 0;
  for (let i = start; i < queue.length && count < Limits.batchCommandsMax; i++) {
    bytes += (queue[i] as PendingWrite).bytesMax;
    if (count > 0 && bytes > Limits.batchBytesMax) break;
    count += 1;
  }
  return count;
}

export function encodeBatch(
  session: Session,
  batchNo: number,
  requests: readonly PendingWrite[],
): Uint8Array {
  let capacity = 64;
  for (const request of requests) capacity += 4 + Math.min(request.bytesMax, 512);
  const writer = new ByteWriter(capacity);
  beginBatch(writer, {
    session: session.id,
    batchNo,
    doneBelow: session.doneBelow,
    commands: requests.length,
  });
  for (const { command } of requests) {
    appendCommand(writer, (into) => encodeCommand(into, command));
  }
  return writer.finish();
}
