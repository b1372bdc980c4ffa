import fc from 'fast-check';
import { DynamicTable } from './dynamic-table.ts';
import { HeaderDecoder } from './header-decoder.ts';
import { encodeHeaders } from './header-encoder.ts';
import { HpackError } from './hpack-error.ts';
import { IntegerReader, writeInteger } from './integer.ts';
import { STATIC_INDEX_MAX, STATIC_TABLE, type HeaderField } from './static-table.ts';

const LIMITS = { tableBytesMax: 4_096, listBytesMax: 16_384 };

function decoder(limits: Partial<typeof LIMITS> = {}): HeaderDecoder {
  return new HeaderDecoder({ ...LIMITS, ...limits });
}

function pairs(fields: readonly HeaderField[]): readonly (readonly [string, string])[] {
  return fields.map(({ name, value }) => [name, value]);
}

function decodeHex(decoder: HeaderDecoder, hex: string): readonly (readonly [string, string])[] {
  const bytes = Buffer.from(hex, 'hex');
  return pairs(decoder.decode(bytes, 0, bytes.length).fields);
}

const FIRST = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
] as const;
const SECOND = [...FIRST, ['cache-control', 'no-cache']] as const;
const THIRD = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
] as const;
const reply = (status: string, date: string) =>
  [
    [':status', status],
    ['cache-control', 'private'],
    ['date', `Mon, 21 Oct 2013 20:13:${date} GMT`],
    ['location', 'https://www.example.com'],
  ] as const;
const THIRD_REPLY = [
  ...reply('200', '22').slice(0, 3),
  ['location', 'https://www.example.com'],
  ['content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
] as const;

/** RFC 7541, appendix C: the blocks of one connection, and the table's size at the end. */
const examples = [
  {
    name: 'C.2.1, a literal with indexing',
    blocks: ['400a637573746f6d2d6b65790d637573746f6d2d686561646572'],
    lists: [[['custom-key', 'custom-header']]],
  },
  {
    name: 'C.2.2, a literal without indexing',
    blocks: ['040c2f73616d706c652f70617468'],
    lists: [[[':path', '/sample/path']]],
  },
  {
    name: 'C.2.3, a literal never indexed',
    blocks: ['100870617373776f726406736563726574'],
    lists: [[['password', 'secret']]],
  },
  { name: 'C.2.4, an indexed field', blocks: ['82'], lists: [[[':method', 'GET']]] },
  {
    name: 'C.3, requests without Huffman',
    blocks: [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
    lists: [FIRST, SECOND, THIRD],
  },
  {
    name: 'C.4, requests with Huffman',
    blocks: [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
    lists: [FIRST, SECOND, THIRD],
  },
  {
    name: 'C.5, responses without Huffman in a table of 256 octets',
    tableBytesMax: 256,
    blocks: [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ],
    lists: [reply('302', '21'), reply('307', '21'), THIRD_REPLY],
  },
  {
    name: 'C.6, responses with Huffman in a table of 256 octets',
    tableBytesMax: 256,
    blocks: [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
    lists: [reply('302', '21'), reply('307', '21'), THIRD_REPLY],
  },
];

test.each(examples)('RFC 7541 $name', ({ blocks, lists, tableBytesMax = 4_096 }) => {
  const one = decoder({ tableBytesMax });
  expect(blocks.map((block) => decodeHex(one, block))).toEqual(lists);
});

test('RFC 7541 C.1: integers', () => {
  const cases: readonly [number, number, readonly number[]][] = [
    [10, 5, [0x0a]],
    [1_337, 5, [0x1f, 0x9a, 0x0a]],
    [42, 8, [0x2a]],
  ];
  for (const [value, bits, expected] of cases) {
    const written: number[] = [];
    writeInteger(written, value, bits, 0);
    expect(written).toEqual(expected);
    const reader = new IntegerReader();
    expect(reader.read(Uint8Array.from(written), 0, written.length, bits)).toBe(value);
    expect(reader.at).toBe(written.length);
  }
});

test('the static table has the 61 entries of appendix A', () => {
  expect(STATIC_INDEX_MAX).toBe(61);
  expect(STATIC_TABLE[17]).toEqual({ name: 'accept-language', value: '' });
  expect(STATIC_TABLE[31]).toEqual({ name: 'content-type', value: '' });
  expect(STATIC_TABLE[58]).toEqual({ name: 'user-agent', value: '' });
  expect(STATIC_TABLE[61]).toEqual({ name: 'www-authenticate', value: '' });
});

test.each([
  ['index 0', '80'],
  ['an index without an entry', 'be'],
  ['a name index without an entry', '7f0003616263'],
  ['an integer that never ends', 'ffffffffffffffffffff'],
  ['an integer of 2^35', 'ff8080808080808001'],
  ['a block that ends within an integer', 'ff80'],
  ['a string that passes the end', '400a6375'],
  ['a block that ends before the value', '40016100'.slice(0, 6)],
  ['a table size above the limit', '3fe21f'],
  ['a table size update behind a field', '8220'],
  ['Huffman padding of zeros', '4001618118'],
  ['Huffman padding of eight bits', '400161821fff'],
  ['the code of EOS', '40016184ffffffff'],
])('%s is refused', (_what, hex) => {
  expect(() => decodeHex(decoder(), hex)).toThrow(HpackError);
});

test('a table size update empties the table, and the version tells', () => {
  const one = decoder();
  decodeHex(one, examples[4]!.blocks[0]!);
  const before = one.tableVersion;
  decodeHex(one, '828684be');
  expect(one.tableVersion).toBe(before);
  decodeHex(one, '2082');
  expect(one.tableVersion).not.toBe(before);
  expect(() => decodeHex(one, 'be')).toThrow(HpackError);
});

test('an entry larger than the table empties it', () => {
  const table = new DynamicTable(64);
  table.add({ name: 'a', value: 'b' });
  expect(table.count).toBe(1);
  table.add({ name: 'a', value: 'b'.repeat(64) });
  expect([table.count, table.size]).toEqual([0, 0]);
});

test('a list that is too large is dropped, and the table stays right', () => {
  const one = decoder({ listBytesMax: 200 });
  const add = Buffer.from('400161', 'hex');
  const value = Buffer.concat([Buffer.from([100]), Buffer.alloc(100, 0x62)]);
  const bytes = Buffer.concat([add, value, Buffer.from([0xbe, 0xbe, 0xbe])]);
  expect(one.decode(bytes, 0, bytes.length)).toEqual({ fields: [], tooLarge: true });
  expect(decodeHex(one, 'be')).toEqual([['a', 'b'.repeat(100)]]);
});

test('random bytes are decoded or refused, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decoder().decode(Buffer.from(bytes), 0, bytes.length);
      } catch (error) {
        expect(error).toBeInstanceOf(HpackError);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('the dynamic table is the newest entries that fit (model)', () => {
  const texts = fc.string({ maxLength: 40 });
  const steps = fc.array(
    fc.oneof(
      fc.record({ name: texts, value: texts }),
      fc.record({ resize: fc.integer({ min: 0, max: 600 }) }),
    ),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(steps, (steps) => {
      const table = new DynamicTable(600);
      let model: HeaderField[] = [];
      let max = 600;
      for (const step of steps) {
        if ('resize' in step) table.resize((max = step.resize));
        else {
          table.add(step);
          model.unshift(step);
        }
        const sizes = model.map(({ name, value }) => name.length + value.length + 32);
        const fits = sizes.findIndex((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b) > max);
        if (fits >= 0) model = model.slice(0, fits);
        expect(table.count).toBe(model.length);
        for (const [i, field] of model.entries()) expect(table.field(62 + i)).toBe(field);
      }
    }),
  );
});

test('what is encoded is decoded, without a trace in the table', () => {
  const octets = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
  });
  const fields = fc.array(
    fc.oneof(fc.record({ name: octets, value: octets }), fc.constantFrom(...STATIC_TABLE.slice(1))),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(fields, (fields) => {
      const one = decoder({ listBytesMax: 1_000_000 });
      const block = encodeHeaders(fields);
      expect(pairs(one.decode(block, 0, block.length).fields)).toEqual(pairs(fields));
      expect(one.tableVersion).toBe(0);
    }),
  );
});
