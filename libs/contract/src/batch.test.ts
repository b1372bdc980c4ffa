import fc from 'fast-check';
import { ByteWriter, DecodeError, encodeUtf8, logTimeMs, revision } from '@kvstore/std';
import type { Command } from '@kvstore/state-machine';
import {
  appendCommand,
  beginBatch,
  cutEntry,
  decodeBatch,
  decodeEntryBody,
  decodeEntryHeader,
  encodeEntryBody,
  isProposableBatch,
} from './batch.ts';
import {
  commandBytesMax,
  decodeCommand,
  encodeCommand,
  FeatureLevelError,
} from './command-codec.ts';
import { Limits } from './limits.ts';

type Encodable = Parameters<typeof encodeCommand>[1];

const text = (maxLength: number) => fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength });
const condition = fc.oneof(
  fc.record({
    kind: fc.constantFrom('mod-revision-in' as const, 'mod-revision-not-in' as const),
    revisions: fc.array(fc.maxSafeNat().map(revision), { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('version-is' as const), version: fc.maxSafeNat() }),
  fc.constantFrom({ kind: 'exists' as const }, { kind: 'absent' as const }),
);
const onKey = {
  namespace: text(63),
  key: fc.uint8Array({ minLength: 1, maxLength: 60 }),
  conditions: fc.array(condition, { maxLength: 3 }),
  principal: fc.string({ maxLength: 20 }),
  idempotencyKey: fc.option(text(40), { nil: undefined }),
};
const put = fc.record({
  kind: fc.constant('put' as const),
  ...onKey,
  value: fc.uint8Array({ maxLength: 200 }),
  contentType: fc.string({ unit: 'grapheme-ascii', maxLength: 60 }),
  tags: fc.array(fc.record({ name: text(64), value: fc.string({ maxLength: 40 }) }), {
    maxLength: 16,
  }),
  ttlMs: fc.option(fc.integer({ min: 1, max: 2 ** 40 }), { nil: undefined }),
});
const command: fc.Arbitrary<Encodable> = fc.oneof(
  put,
  fc.record({ kind: fc.constant('delete' as const), ...onKey }),
  fc.record({ kind: fc.constant('register-session' as const), ttlMs: fc.maxSafeNat() }),
  fc.constant({ kind: 'keep-alive' as const }),
);

const encode = (each: Encodable): Uint8Array => {
  const writer = new ByteWriter(8);
  encodeCommand(writer, each);
  return writer.finish();
};

const comparable = (each: Command): unknown =>
  JSON.parse(
    JSON.stringify({ ...each, digest: undefined }, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
  );

describe('commands', () => {
  test('decode to what was encoded, within the promised size', () => {
    fc.assert(
      fc.property(command, (each) => {
        const bytes = encode(each);
        expect(comparable(decodeCommand(bytes))).toEqual(comparable(each as Command));
        expect(bytes.length).toBeLessThanOrEqual(commandBytesMax(each));
      }),
    );
  });

  test('any other bytes are a malformed command or a newer one, never another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decodeCommand(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FeatureLevelError);
          expect(bytes[0]).toBeGreaterThan(1);
        }
      }),
    );
  });

  test('every cut of a command is malformed', () => {
    const bytes = encode(fc.sample(put, { numRuns: 1, seed: 5 })[0]!);
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeCommand(bytes.subarray(0, length)).kind).toBe('malformed');
    }
  });

  test('the digest tells requests apart and ignores the idempotency key itself', () => {
    const base = {
      kind: 'put' as const,
      namespace: 'default',
      key: encodeUtf8('k'),
      conditions: [],
      principal: 'anonymous',
      idempotencyKey: 'once',
      value: encodeUtf8('v'),
      contentType: 'text/plain',
      tags: [],
      ttlMs: undefined,
    };
    const digest = (over: Partial<typeof base>): number => {
      const decoded = decodeCommand(encode({ ...base, ...over }));
      return decoded.kind === 'put' ? decoded.digest : -1;
    };
    expect(digest({ idempotencyKey: 'twice' })).toBe(digest({}));
    expect(digest({ value: encodeUtf8('w') })).not.toBe(digest({}));
    expect(digest({ key: encodeUtf8('l') })).not.toBe(digest({}));
    expect(digest({ namespace: 'other' })).not.toBe(digest({}));
    expect(digest({ contentType: 'text/html' })).not.toBe(digest({}));
  });
});

function batchOf(commands: readonly Encodable[], batchNo = 1): Uint8Array {
  const writer = new ByteWriter(64);
  beginBatch(writer, { session: 5, batchNo, doneBelow: 1, commands: commands.length });
  for (const each of commands) appendCommand(writer, (into) => encodeCommand(into, each));
  return writer.finish();
}

describe('batches', () => {
  test('decode to their commands', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 5 }), (commands) => {
        const bytes = batchOf(commands, 42);
        expect(isProposableBatch(bytes)).toBe(true);
        const { commands: decoded, ...header } = decodeBatch(bytes);
        expect(header).toEqual({ session: 5, batchNo: 42, doneBelow: 1 });
        expect(decoded.map(comparable)).toEqual(
          commands.map((each) => comparable(each as Command)),
        );
      }),
    );
  });

  test('a leader refuses what is empty, over the limits, cut or followed by more', () => {
    const good = batchOf([{ kind: 'keep-alive' }]);
    expect(isProposableBatch(batchOf([]))).toBe(false);
    expect(isProposableBatch(good.subarray(0, good.length - 1))).toBe(false);
    expect(isProposableBatch(Buffer.concat([good, Buffer.from([0])]))).toBe(false);
    expect(isProposableBatch(new Uint8Array(Limits.entryBytesMax))).toBe(false);
    const many = Array.from({ length: Limits.batchCommandsMax + 1 }, () => ({
      kind: 'keep-alive' as const,
    }));
    expect(isProposableBatch(batchOf(many))).toBe(false);
    expect(isProposableBatch(batchOf(many.slice(1)))).toBe(true);
  });
});

const NO_HEADER = { stamp: logTimeMs(0), epoch: 0 };

describe('entries', () => {
  test('a body from before there were epochs is of epoch 0', () => {
    const old = new ByteWriter(11).u8(1).u64(1234).u16(0).finish();
    expect(decodeEntryBody(old)).toEqual({ stamp: 1234, epoch: 0, batches: [] });
    expect(decodeEntryHeader(old)).toEqual({ stamp: 1234, epoch: 0 });
  });

  test('carry their stamp and whole batches', () => {
    const batches = [batchOf([{ kind: 'keep-alive' }], 1), batchOf([{ kind: 'keep-alive' }], 2)];
    const body = encodeEntryBody({ stamp: logTimeMs(1234), epoch: 7 }, batches);
    const decoded = decodeEntryBody(body);
    expect(decoded.stamp).toBe(1234);
    expect(decoded.epoch).toBe(7);
    expect(decodeEntryHeader(body)).toEqual({ stamp: 1234, epoch: 7 });
    expect(decoded.batches.map((each) => Buffer.from(each).toString('hex'))).toEqual(
      batches.map((each) => Buffer.from(each).toString('hex')),
    );
    expect(() => decodeEntryBody(body.subarray(1))).toThrow(DecodeError);
  });

  test('a batch is never split and an entry stays within bytes and commands', () => {
    const sizes = fc.array(
      fc.record({
        commands: fc.integer({ min: 1, max: 512 }),
        bytes: fc.integer({ min: 40, max: 300 * 1024 }),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(sizes, (wanted) => {
        const batches = wanted.map(({ commands, bytes }) => {
          const batch = new Uint8Array(bytes);
          batch[25] = commands >> 8;
          batch[26] = commands & 0xff;
          return batch;
        });
        const count = cutEntry(batches);
        const taken = wanted.slice(0, count);
        const commands = taken.reduce((sum, each) => sum + each.commands, 0);
        const body = encodeEntryBody(NO_HEADER, batches.slice(0, count));
        expect(count).toBeGreaterThan(0);
        expect(count === 1 || commands <= Limits.entryCommandsMax).toBe(true);
        expect(count === 1 || body.length <= Limits.entryBytesMax).toBe(true);
        if (count === batches.length) return;
        const one = encodeEntryBody(NO_HEADER, batches.slice(0, count + 1));
        const next = commands + wanted[count]!.commands;
        expect(one.length > Limits.entryBytesMax || next > Limits.entryCommandsMax).toBe(true);
      }),
    );
  });

  test('the largest value fits one batch, one entry and one frame', () => {
    const largest: Encodable = {
      kind: 'put',
      namespace: 'n'.repeat(63),
      key: new Uint8Array(Limits.keyBytesMax),
      conditions: [],
      principal: 'p'.repeat(64),
      idempotencyKey: 'i'.repeat(Limits.idempotencyKeyBytesMax),
      value: new Uint8Array(Limits.valueBytesMax),
      contentType: 'c'.repeat(Limits.contentTypeBytesMax),
      tags: Array.from({ length: Limits.tagsMax }, (_, i) => ({
        name: `${'t'.repeat(62)}${String(i).padStart(2, '0')}`,
        value: 'v'.repeat(Limits.tagValueBytesMax),
      })),
      ttlMs: 1,
    };
    const batch = batchOf([largest]);
    expect(isProposableBatch(batch)).toBe(true);
    const body = encodeEntryBody(NO_HEADER, [batch]);
    expect(body.length).toBeLessThanOrEqual(Limits.entryBytesMax);
    expect(body.length + 1024).toBeLessThanOrEqual(Limits.frameBytesMax);
  });
});
