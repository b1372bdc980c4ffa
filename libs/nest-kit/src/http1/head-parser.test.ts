import fc from 'fast-check';
import { HeadParser } from './head-parser.ts';

const HEAD_BYTES_MAX = 400;
const parser = new HeadParser({
  methods: { GET: { body: false }, PUT: { body: true }, DELETE: { body: false } },
  prefix: '/k/',
  fields: ['if-match', 'accept'],
  headBytesMax: HEAD_BYTES_MAX,
  bodyBytesMax: 1_000,
});
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
const other = fc
  .tuple(token, value)
  .filter(([name]) => !/^(host|te|trailer|expect|upgrade|connection|accept|if-match)$/i.test(name))
  .map(([name, text]) => `${name}: ${text}`);
const head = fc
  .record({
    method: fc.constantFrom('GET', 'PUT', 'DELETE'),
    target: fc.stringMatching(/^[!"$-~]{0,30}$/),
    fields: fc.array(other, { maxLength: 4 }),
    match: fc.option(value, { nil: undefined }),
    length: fc.option(fc.nat(1_000), { nil: undefined }),
  })
  .map((each) => {
    const lines = [`${each.method} /k/${each.target} HTTP/1.1`, ...each.fields, 'hOsT: x'];
    if (each.match !== undefined) lines.splice(1, 0, `iF-mAtCh:  ${each.match}`);
    if (each.length !== undefined && each.method === 'PUT') {
      lines.push(`content-LENGTH: ${each.length}`);
    }
    return { ...each, text: `${lines.join('\r\n')}\r\n\r\n` };
  })
  .filter(({ text }) => text.length < HEAD_BYTES_MAX);

test('a whole head is read, wherever it stands and whatever is behind it', () => {
  fc.assert(
    fc.property(head, fc.nat(20), fc.string({ maxLength: 20 }), (sent, before, behind) => {
      const all = bytes('\r'.repeat(before) + sent.text + behind);
      expect(parser.parse(all, before)).toBe('whole');
      expect(parser.headBytes).toBe(sent.text.length);
      expect([parser.method, parser.target]).toEqual([sent.method, `/k/${sent.target}`]);
      expect(parser.fields).toEqual(sent.match === undefined ? [] : ['if-match', sent.match]);
      expect(parser.bodyBytes).toBe(sent.method === 'PUT' ? (sent.length ?? 0) : 0);
    }),
  );
});

test('every part of a whole head is partial: only what cannot become whole is unusual', () => {
  fc.assert(
    fc.property(head, ({ text }) => {
      for (let length = 0; length < text.length; length++) {
        expect(parser.parse(bytes(text.slice(0, length)), 0)).toBe('partial');
      }
    }),
    { numRuns: 50 },
  );
});

test('a head that reaches the bound is unusual, whole or not', () => {
  const text = (padding: number): string =>
    `GET /k/ HTTP/1.1\r\nHost: x\r\nA: ${'y'.repeat(padding)}\r\n\r\n`;
  const fits = HEAD_BYTES_MAX - text(0).length;
  expect(parser.parse(bytes(text(fits)), 0)).toBe('whole');
  expect(parser.parse(bytes(text(fits + 1)), 0)).toBe('unusual');
  expect(parser.parse(bytes(text(fits + 1).slice(0, HEAD_BYTES_MAX - 1)), 0)).toBe('partial');
  expect(parser.parse(bytes(text(fits + 1).slice(0, HEAD_BYTES_MAX)), 0)).toBe('unusual');
});

test('no bytes make it throw, read past its end, or take what is not there', () => {
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 8 }), fc.nat(300), ({ text }, noise, at) => {
      const all = bytes(text);
      all.set(noise.subarray(0, Math.max(0, all.length - at)), Math.min(at, all.length));
      if (parser.parse(all, 0) !== 'whole') return;
      expect(parser.headBytes).toBeLessThanOrEqual(all.length);
      expect(all.toString('latin1', parser.headBytes - 4, parser.headBytes)).toBe('\r\n\r\n');
    }),
    { numRuns: 1_000 },
  );
});
