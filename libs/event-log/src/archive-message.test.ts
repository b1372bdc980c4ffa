import { encodeArchived, FrameKind, Limits, SenderRole } from '@kvstore/contract';
import { logIndex, term } from '@kvstore/std';
import { makeBody, makeEntries } from '@kvstore/testing';
import { cutMessage, openMessage, sealMessage } from './archive-message.ts';
import { framesOf } from './log-archive.test-support.ts';

const archiver = framesOf(SenderRole.consensus, 'node-1');

function entriesOf(count: number, bodyBytes: number) {
  const bodies = Array.from({ length: count }, (_, i) => makeBody(bodyBytes, i));
  return makeEntries(undefined, 1, bodies);
}

test('a message gives back its entries', () => {
  const reader = framesOf(SenderRole.storage, 'node-2');
  const entries = entriesOf(5, 100);
  const message = sealMessage(archiver, term(3), entries);
  expect(openMessage(reader, message)?.map(({ chain }) => chain)).toEqual(
    entries.map(({ chain }) => chain),
  );
  expect(reader.refused.size).toBe(0);
});

test.each([
  ['of many small entries', entriesOf(20_000, 10)],
  ['of large entries', entriesOf(3, Limits.entryBytesMax / 2)],
  ['of one entry as large as can be', entriesOf(2, Limits.entryBytesMax)],
])('a message %s stays within a frame and holds what fits', (_, entries) => {
  const cut = cutMessage(entries, Limits.entryBytesMax);
  const message = sealMessage(archiver, term(1), cut);
  expect(cut.length).toBeGreaterThan(0);
  expect(cut.length).toBeLessThan(entries.length);
  expect(message.length).toBeLessThan(Limits.frameBytesMax);
  expect(message.length).toBeGreaterThan(Limits.entryBytesMax / 2);
});

test('nothing makes no message', () => {
  expect(cutMessage([], Limits.entryBytesMax)).toEqual([]);
});

test('what is no frame, of another sender, empty or with a gap is refused and counted', () => {
  const reader = framesOf(SenderRole.storage, 'node-2');
  const entries = entriesOf(3, 10);
  const seal = (some: typeof entries): Uint8Array =>
    archiver.seal(
      FrameKind.archive,
      term(1),
      encodeArchived({ commitIndex: logIndex(3), entries: some }),
    );
  const tampered = seal(entries);
  tampered[tampered.length - 20] = 255;
  const messages = [
    new Uint8Array(0),
    tampered,
    archiver.seal(FrameKind.live, term(1), new Uint8Array(0)),
    seal([]),
    seal(entries.filter(({ index }) => index !== 2)),
  ];
  for (const message of messages) expect(openMessage(reader, message)).toBeUndefined();
  expect(Object.fromEntries(reader.refused)).toEqual({ malformed: 3, mac: 1, kind: 1 });
});
