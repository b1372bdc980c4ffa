/** The worker thread: builds segments and hashes files, one task at a time, in order. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { parentPort } from 'node:worker_threads';
import type { SegmentOptions, SharedMemtable } from '@kvstore/lsm';
import { assert } from '@kvstore/std';
import { buildSegment, type BuiltSegment } from './segment-builder.ts';

export type SegmentTask =
  | {
      readonly kind: 'build';
      readonly memtable: SharedMemtable;
      readonly options: SegmentOptions;
      readonly hurry: SharedArrayBuffer;
    }
  | { readonly kind: 'hash'; readonly path: string };

export type SegmentTaskResult =
  | { readonly kind: 'built'; readonly segment: BuiltSegment }
  | { readonly kind: 'hashed'; readonly sha256: string }
  | { readonly kind: 'failed'; readonly message: string };

const port = parentPort;
assert(port !== null, 'the segment worker runs in a worker thread');

port.on('message', (task: SegmentTask) => {
  run(task).then(
    (result) => {
      const transfer = result.kind === 'built' ? [result.segment.bytes.buffer] : [];
      port.postMessage(result, transfer);
    },
    (error: unknown) => {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      port.postMessage({ kind: 'failed', message } satisfies SegmentTaskResult);
    },
  );
});

async function run(task: SegmentTask): Promise<SegmentTaskResult> {
  if (task.kind === 'build') {
    return { kind: 'built', segment: buildSegment(task.memtable, task.options, task.hurry) };
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(task.path, { highWaterMark: 1024 * 1024 }), hash);
  return { kind: 'hashed', sha256: hash.digest('hex') };
}
