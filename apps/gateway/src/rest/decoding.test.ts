import fc from 'fast-check';
import { wantsEntry } from './accept.ts';
import { percentDecode } from './percent.ts';
import { parseQuery } from './query.ts';
import { parseKeyTarget } from './request-target.ts';

test('any bytes survive being percent-encoded, in either case of letters', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, upper) => {
      const text = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
      expect(percentDecode(upper ? text.toUpperCase() : text)).toEqual(Buffer.from(bytes));
    }),
  );
});

test('any key survives a URL as encodeURIComponent writes it, with any slashes raw', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
      fc.boolean(),
      (key, rawSlashes) => {
        const encoded = encodeURIComponent(key);
        const url = `/api/v1/keys/${rawSlashes ? encoded.replaceAll('%2F', '/') : encoded}?timeout=1s`;
        expect(parseKeyTarget(url)).toEqual({
          kind: 'target',
          key: Buffer.from(key),
          query: 'timeout=1s',
        });
      },
    ),
  );
});

test('a query as URLSearchParams writes it is read back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 5 }),
      (values) => {
        const text = new URLSearchParams(
          values.map((value): [string, string] => ['tag', value]),
        ).toString();
        const query = parseQuery(text, { tag: 'repeated' });
        expect(query.kind === 'query' && query.all('tag')).toEqual(values);
      },
    ),
  );
});

test('no query makes the parser throw', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      expect(['query', 'failure']).toContain(parseQuery(text, { a: 'single' }).kind);
    }),
  );
});

test.each([
  [undefined, false],
  ['*/*', false],
  ['text/html', false],
  ['application/vnd.kvstore.entry+json', true],
  ['Application/Vnd.KVStore.Entry+JSON', true],
  ['application/vnd.kvstore.entry+json; q=0.5, */*; q=0.1', true],
  ['application/vnd.kvstore.entry+json;q=0.1, */*', false],
  ['application/vnd.kvstore.entry+json;q=0, */*', false],
  ['application/vnd.kvstore.other+json, */*', false],
])('Accept: %s asks for the entry view: %p', (accept, expected) => {
  expect(wantsEntry(accept)).toBe(expected);
});
