/** A message of the stream whose frame is authentic and whose entries are not what they should be. */
import { join } from 'node:path';
import { encodeArchived, FrameKind, type LogEntry, SenderRole } from '@kvstore/contract';
import { logIndex, term } from '@kvstore/std';
import { hostileBytes, makeBody, makeEntries } from '@kvstore/testing';
import { areConsecutive, openMessage } from './archive-message.ts';
import { framesOf } from './log-archive.test-support.ts';

const archiver = framesOf(SenderRole.consensus, 'node-1');
const entries = makeEntries(undefined, 1, [makeBody(3, 1), makeBody(0, 2)]);

hostileBytes<readonly LogEntry[] | undefined>('archive message', {
  samples: [encodeArchived({ commitIndex: logIndex(2), entries })],
  decode: (body) => {
    const reader = framesOf(SenderRole.storage, 'node-2');
    const opened = openMessage(reader, archiver.seal(FrameKind.archive, term(1), body));
    const [first] = opened ?? [];
    if (opened === undefined) return undefined;
    if (first === undefined || !areConsecutive(opened, first.index)) throw new Error('a gap');
    return opened;
  },
  refusalOf: (opened) => (opened === undefined ? 'malformed' : undefined),
  corpus: join(import.meta.dirname, '../testdata/hostile'),
});
