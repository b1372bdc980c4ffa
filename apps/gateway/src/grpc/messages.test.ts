/** Our codec beside proto-loader's, over the same contract. */
import fc from 'fast-check';
import { Limits } from '@kvstore/contract';
import { logTimeMs, revision, DecodeError } from '@kvstore/std';
import { encodeDeleted, encodeFound, encodePut } from './encode.ts';
import {
  ConsistencyNumber,
  readDelete,
  readEmpty,
  readGet,
  readMember,
  readPut,
} from './messages.ts';
import { ProtoReader } from './proto-reader.ts';
import { ProtoWriter } from './proto-writer.ts';
import { loadProto } from './service-definition.ts';

const { service } = loadProto();

function request(method: string, message: object): Buffer {
  return service[method]!.requestSerialize(message);
}

function response(method: string, bytes: Buffer): object {
  return service[method]!.responseDeserialize(bytes);
}

const numbers = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constant(0));
const texts = fc.string({ unit: 'grapheme', maxLength: 200 });
const conditions = fc.option(
  fc.record(
    {
      exists: fc.boolean(),
      version: numbers,
      mod_revision_in: fc.array(numbers),
      mod_revision_not_in: fc.array(numbers),
    },
    { requiredKeys: [] },
  ),
  { nil: undefined },
);
const tags = fc.dictionary(texts, texts, { maxKeys: 20 });

function readConditions(given: object | undefined): object | undefined {
  if (given === undefined) return undefined;
  const defaults = { exists: undefined, version: undefined };
  return { ...defaults, mod_revision_in: [], mod_revision_not_in: [], ...given };
}

test('a request about a member is read as it was written', () => {
  const messages = fc.record({ node: texts, priority: fc.nat(2 ** 31 - 1) });
  fc.assert(
    fc.property(messages, (message) => {
      expect(readMember(request('MemberPriority', message))).toEqual(message);
      const { node } = message;
      expect(readMember(request('MemberAdd', { node }))).toEqual({ node, priority: 0 });
    }),
  );
});

test('a PutRequest is read as it was written', () => {
  const messages = fc.record({
    namespace: texts,
    key: texts,
    value: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    content_type: texts,
    ttl_seconds: fc.maxSafeInteger(),
    tags,
    idempotency_key: texts,
    conditions,
  });
  fc.assert(
    fc.property(messages, (message) => {
      const read = readPut(request('Put', message));
      expect(Buffer.from(read.key)).toEqual(Buffer.from(message.key));
      expect(Buffer.from(read.value)).toEqual(message.value);
      expect(new Map(read.tags)).toEqual(new Map(Object.entries(message.tags)));
      expect(read).toMatchObject({
        namespace: message.namespace,
        content_type: message.content_type,
        ttl_seconds: message.ttl_seconds,
        idempotency_key: message.idempotency_key,
        conditions: readConditions(message.conditions),
      });
    }),
  );
});

test('a GetRequest and a DeleteRequest are read as they were written', () => {
  const gets = fc.record({
    namespace: texts,
    key: texts,
    consistency: fc.constantFrom('LINEARIZABLE', 'LEASE', 'SESSION', 'EVENTUAL'),
    min_revision: numbers,
    revision: numbers,
  });
  fc.assert(
    fc.property(gets, (message) => {
      const name = message.consistency.toLowerCase() as keyof typeof ConsistencyNumber;
      expect(readGet(request('Get', message))).toEqual({
        ...message,
        key: Buffer.from(message.key),
        consistency: ConsistencyNumber[name],
      });
    }),
  );
  const deletes = fc.record({
    namespace: texts,
    key: texts,
    strict: fc.boolean(),
    idempotency_key: texts,
    conditions,
  });
  fc.assert(
    fc.property(deletes, (message) => {
      expect(readDelete(request('Delete', message))).toEqual({
        ...message,
        key: Buffer.from(message.key),
        conditions: readConditions(message.conditions),
      });
    }),
  );
});

const times = fc.record({
  createdAt: fc.maxSafeNat().map(logTimeMs),
  updatedAt: fc.nat().map(logTimeMs),
  expiresAt: fc.option(fc.nat().map(logTimeMs), { nil: undefined }),
});
const names = fc.record({ namespace: texts, key: texts });

function timestamp(timeMs: number | undefined): object | null {
  if (timeMs === undefined) return null;
  return { seconds: Math.floor(timeMs / 1_000), nanos: (timeMs % 1_000) * 1_000_000 };
}

function shownTimes(of: { createdAt: number; updatedAt: number; expiresAt: number | undefined }) {
  return {
    created_at: timestamp(of.createdAt),
    updated_at: timestamp(of.updatedAt),
    expires_at: timestamp(of.expiresAt),
  };
}

test('what is answered is what clients read', () => {
  const entries = fc.record({
    value: fc.uint8Array({ maxLength: 40_000 }),
    contentType: texts,
    tags,
    numbers: fc.tuple(numbers, numbers, numbers, numbers),
    times,
  });
  fc.assert(
    fc.property(names, entries, ({ namespace, key }, { numbers: [a, b, c, d], times, ...rest }) => {
      const name = { namespace, key: Buffer.from(key) };
      const list = Object.entries(rest.tags).map(([name, value]) => ({ name, value }));
      const entry = {
        ...{ value: rest.value, contentType: rest.contentType, tags: list, version: a },
        ...{ createRevision: revision(b), modRevision: revision(c), ...times },
      };
      const found = encodeFound(name, { kind: 'found', entry, revision: revision(d) });
      expect(response('Get', found)).toEqual({
        ...{ namespace, key, value: Buffer.from(rest.value), content_type: rest.contentType },
        ...{ tags: rest.tags, version: a, create_revision: b, mod_revision: c, revision: d },
        ...shownTimes(times),
      });
      const numbers = { version: a, revision: revision(b), createRevision: revision(c) };
      expect(response('Put', encodePut(name, { kind: 'put', ...numbers, ...times }))).toEqual({
        ...{ namespace, key, version: a, revision: b, create_revision: c },
        ...shownTimes(times),
      });
    }),
    { numRuns: 300 },
  );
  for (const existed of [true, false]) {
    const bytes = encodeDeleted({ kind: 'deleted', revision: revision(7), existed });
    expect(response('Delete', bytes)).toEqual({ revision: 7, existed });
  }
});

const readers = { Put: readPut, Get: readGet, Delete: readDelete, Status: readEmpty };

test('bytes at random are a message or a DecodeError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(readers)), fc.uint8Array(), (read, bytes) => {
      try {
        read(Buffer.from(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
    { numRuns: 5_000 },
  );
});

test('a message cut at any byte is refused or read up to a field', () => {
  const whole = request('Put', {
    ...{ namespace: 'n', key: 'k', value: Buffer.from('v'), tags: { a: 'b' } },
    conditions: { version: 300, mod_revision_in: [1, 2] },
  });
  let refused = 0;
  for (let cut = 0; cut < whole.length; cut++) {
    try {
      readPut(whole.subarray(0, cut));
    } catch (error) {
      expect(error).toBeInstanceOf(DecodeError);
      refused++;
    }
  }
  expect(refused).toBe(whole.length - 5);
});

test.each([
  ['a field number 0', '00'],
  ['wire type 6', '0e'],
  ['an end of a group without a start', '7c'],
  ['a group without an end', '7b'],
  ['a group that ends as another one', '7b8401'],
  ['groups nested without end', '7b'.repeat(1_000)],
  ['a fixed32 that passes the end', '7d0000'],
  ['a fixed64 that passes the end', '7900'],
  ['a surrogate', '1203eda080'],
  ['a text cut within a character', '1201c3'],
])('%s is refused', (_what, hex) => {
  for (const read of [readPut, readGet, readDelete]) {
    expect(() => read(Buffer.from(hex, 'hex'))).toThrow(DecodeError);
  }
});

test('unknown fields, groups and wrong wire types are skipped, and lists may be packed or not', () => {
  const hex = '7b780a7c7900000000000000007d00000000080712016b0a016e';
  expect(readGet(Buffer.from(hex, 'hex'))).toMatchObject({ namespace: 'n', revision: 0 });
  const lists = Buffer.from('3a09180118022203040506', 'hex');
  expect(readPut(lists).conditions).toMatchObject({
    mod_revision_in: [1, 2],
    mod_revision_not_in: [4, 5, 6],
  });
});

test('a nested message that comes twice is merged', () => {
  const twice = Buffer.from('3a0208013a021005', 'hex');
  expect(readPut(twice).conditions).toMatchObject({ exists: true, version: 5 });
});

test('a nested message that comes a million times is still one, and its lists are not copied', () => {
  const lists = '3a0a'.concat('1a03010203', '2203040506');
  const bytes = Buffer.concat([Buffer.from(lists, 'hex'), Buffer.alloc(2_000_000, '3a00', 'hex')]);
  expect(readPut(bytes).conditions).toEqual({
    ...{ exists: undefined, version: undefined },
    ...{ mod_revision_in: [1, 2, 3], mod_revision_not_in: [4, 5, 6] },
  });
});

test('more revisions or tags than a request can name are told, and a flood of them is no message', () => {
  const put = (revisions: number, tags: number): ReturnType<typeof readPut> =>
    readPut(
      request('Put', {
        conditions: { mod_revision_in: new Array(revisions).fill(7) },
        tags: Object.fromEntries(Array.from({ length: tags }, (_, i) => [`t${i}`, 'v'])),
      }),
    );
  const read = put(Limits.conditionRevisionsMax + 1, Limits.tagsMax + 1);
  expect(read.conditions?.mod_revision_in).toHaveLength(Limits.conditionRevisionsMax + 1);
  expect(read.tags?.size).toBe(Limits.tagsMax + 1);
  expect(() => put(5_000, 0)).toThrow('too many revisions');
  expect(() => put(0, 2_000)).toThrow('too many tags');
  const unpacked = Buffer.concat([
    Buffer.from('22904e', 'hex'),
    Buffer.alloc(10_000, '2001', 'hex'),
  ]);
  expect(() => readDelete(unpacked)).toThrow('too many revisions');
});

test('64-bit numbers at their ends', () => {
  const read = (hex: string): readonly [number, number] => {
    const bytes = Buffer.from(hex, 'hex');
    return [new ProtoReader(bytes).uint64(), new ProtoReader(bytes).int64()];
  };
  expect(read('ffffffffffffffffff01')).toEqual([2 ** 64, -1]);
  expect(read('ffffffffffffffff7f')).toEqual([2 ** 63, 2 ** 63]);
  expect(read('80808080808080808001')).toEqual([2 ** 63, -(2 ** 63)]);
  expect(read('fdffffffffffffffff01')[1]).toBe(-3);
  expect(() => read('ffffffffffffffffffff01')).toThrow(DecodeError);
});

test('a nested message of any length keeps what follows', () => {
  for (const length of [0, 1, 125, 126, 127, 128, 129, 16_381, 16_383, 16_384, 20_000]) {
    const writer = new ProtoWriter();
    writer.message(1, (inner) => inner.bytes(1, Buffer.alloc(length, 7))).uint(2, 9);
    const reader = new ProtoReader(writer.finish());
    expect(reader.next()).toBe(1);
    const inner = reader.message();
    expect(inner.next()).toBe(length === 0 ? 0 : 1);
    if (length > 0) expect(inner.bytes()).toEqual(Buffer.alloc(length, 7));
    expect(reader.next()).toBe(2);
    expect(reader.uint64()).toBe(9);
  }
});
