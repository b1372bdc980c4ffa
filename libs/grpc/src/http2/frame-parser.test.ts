import fc from 'fast-check';
import { FrameParser } from './frame-parser.ts';
import { type ConnectionError, ErrorCode } from './protocol.ts';
import { frame, PREFACE, type Frame } from './raw-client.test-support.ts';

/** What a parser makes of chunks. */
function parse(chunks: readonly Uint8Array[]): readonly Frame[] {
  const seen: Frame[] = [];
  const parser = new FrameParser((type, flags, id, bytes, start, end) => {
    seen.push({ type, flags, id, payload: bytes.subarray(start, end) });
  });
  for (const chunk of chunks) parser.push(Buffer.from(chunk));
  return seen;
}

function codeOf(run: () => unknown): number | undefined {
  try {
    run();
  } catch (error) {
    return (error as ConnectionError).code;
  }
  return undefined;
}

const FRAMES: readonly Frame[] = [
  { type: 4, flags: 0, id: 0, payload: Buffer.alloc(0) },
  { type: 1, flags: 4, id: 1, payload: Buffer.from('0123456789') },
  { type: 0, flags: 1, id: 0x7fff_ffff, payload: Buffer.alloc(300, 7) },
];
const BYTES = Buffer.concat([
  PREFACE,
  ...FRAMES.map(({ type, flags, id, payload }) => frame(type, flags, id, payload)),
]);

test('frames cut at every byte are the same frames', () => {
  for (let cut = 0; cut <= BYTES.length; cut++) {
    expect(parse([BYTES.subarray(0, cut), BYTES.subarray(cut)])).toEqual(FRAMES);
  }
});

test('frames in chunks of one byte are the same frames', () => {
  expect(parse([...BYTES].map((byte) => Uint8Array.of(byte)))).toEqual(FRAMES);
});

test('frames in random chunks are the same frames', () => {
  const frames = fc.array(
    fc.record({
      type: fc.integer({ min: 0, max: 255 }),
      flags: fc.integer({ min: 0, max: 255 }),
      id: fc.integer({ min: 0, max: 0x7fff_ffff }),
      payload: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(
      frames,
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (list, cuts) => {
        const bytes = Buffer.concat([
          PREFACE,
          ...list.map(({ type, flags, id, payload }) => frame(type, flags, id, payload)),
        ]);
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length] as number;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(parse(chunks)).toEqual(list);
      },
    ),
  );
});

test('what a frame handed out stays when later chunks come', () => {
  const views: Buffer[] = [];
  const parser = new FrameParser((_type, _flags, _id, bytes, start, end) => {
    views.push(bytes.subarray(start, end));
  });
  parser.push(PREFACE);
  const one = frame(0, 0, 1, Buffer.alloc(20, 1));
  const two = frame(0, 0, 1, Buffer.alloc(20, 2));
  for (const bytes of [one, two]) {
    parser.push(bytes.subarray(0, 12));
    parser.push(bytes.subarray(12));
  }
  expect(views).toEqual([Buffer.alloc(20, 1), Buffer.alloc(20, 2)]);
});

test('the high bit of a stream id is ignored', () => {
  expect(parse([PREFACE, frame(6, 0, 0x8000_0003)])[0]?.id).toBe(3);
});

test.each([
  ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['the start of a preface with a wrong byte', Buffer.from('PRI * HTTP/2.1')],
])('%s is a protocol error before the preface is whole', (_what, bytes) => {
  expect(codeOf(() => parse([bytes]))).toBe(ErrorCode.protocolError);
});

test('a frame above 16 KiB is refused as soon as its length is there', () => {
  const head = Buffer.from([0, 0x40, 1, 0, 0, 0, 0, 0, 1]);
  expect(codeOf(() => parse([PREFACE, head]))).toBe(ErrorCode.frameSizeError);
  for (let cut = 1; cut < head.length; cut++) {
    expect(codeOf(() => parse([PREFACE, head.subarray(0, cut), head.subarray(cut)]))).toBe(
      ErrorCode.frameSizeError,
    );
  }
  expect(parse([PREFACE, frame(0, 0, 1, Buffer.alloc(16_384))])).toHaveLength(1);
});

test('a parser that was stopped gives no further frame of the same chunk', () => {
  let count = 0;
  const parser: FrameParser = new FrameParser(() => {
    count++;
    parser.stop();
  });
  parser.push(BYTES);
  parser.push(frame(0, 0, 1));
  expect(count).toBe(1);
});
