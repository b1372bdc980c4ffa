import { invalidReason, invalidSession, isNamespace } from './command-validity.ts';
import type { PutCommand } from './command.ts';
import { del, put } from './machine.test-support.ts';

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);
const tags = (count: number): PutCommand['tags'] =>
  Array.from({ length: count }, (_, i) => ({ name: `t${i}`, value: '' }));

describe('a put or delete is valid', () => {
  test.each<[string, Partial<PutCommand>]>([
    ['with a key of 1 byte', { key: bytes(1) }],
    ['with a key of 1,024 bytes, NUL included', { key: new Uint8Array(1024) }],
    ['with a namespace of 63 characters', { namespace: 'a'.repeat(63) }],
    ['with an empty value and content type', { value: bytes(0), contentType: '' }],
    ['with a content type of 255 bytes', { contentType: 'é'.repeat(127) }],
    ['with the longest time to live', { ttlMs: Number.MAX_SAFE_INTEGER }],
    ['with 16 tags', { tags: tags(16) }],
    ['with a tag value of 256 bytes', { tags: [{ name: 'a.b-c_1', value: 'é'.repeat(128) }] }],
    ['with an idempotency key of 255 bytes', { idempotencyKey: 'é'.repeat(127) }],
    ['with any principal when nothing depends on it', { principal: 'é'.repeat(500) }],
  ])('%s', (_, fields) => {
    expect(invalidReason(put('k', 'v', fields))).toBeUndefined();
  });
});

describe('a put or delete is refused', () => {
  test.each<[string, Partial<PutCommand>, string]>([
    ['without a key', { key: bytes(0) }, 'key'],
    ['with a key of 1,025 bytes', { key: bytes(1025) }, 'key'],
    ['without a namespace', { namespace: '' }, 'namespace'],
    ['with a namespace of 64 characters', { namespace: 'a'.repeat(64) }, 'namespace'],
    ['with an upper-case namespace', { namespace: 'Default' }, 'namespace'],
    ['with a namespace that starts with a dot', { namespace: '.a' }, 'namespace'],
    ['with a NUL in the namespace', { namespace: 'a\0' }, 'namespace'],
    ['with a namespace outside ASCII', { namespace: 'ä' }, 'namespace'],
    ['with a content type of 256 bytes', { contentType: 'é'.repeat(128) }, 'content type'],
    ['with a time to live of nothing', { ttlMs: 0 }, 'ttl'],
    ['with a negative time to live', { ttlMs: -1 }, 'ttl'],
    ['with a broken time to live', { ttlMs: 1.5 }, 'ttl'],
    ['with a time to live that is no number', { ttlMs: NaN }, 'ttl'],
    ['with 17 tags', { tags: tags(17) }, '16 tags'],
    ['with a tag without a name', { tags: [{ name: '', value: '' }] }, 'a tag'],
    ['with a tag name of 65 bytes', { tags: [{ name: 'a'.repeat(65), value: '' }] }, 'a tag'],
    ['with a tag name in capitals', { tags: [{ name: 'A', value: '' }] }, 'a tag'],
    ['with a tag value of 257 bytes', { tags: [{ name: 'a', value: 'a'.repeat(257) }] }, 'a tag'],
    ['with an idempotency key of 256 bytes', { idempotencyKey: 'é'.repeat(128) }, 'idempotency'],
    ['with a broken digest', { idempotencyKey: 'x', digest: 0.5 }, 'digest'],
    ['with a long principal', { idempotencyKey: 'x', principal: 'a'.repeat(256) }, 'principal'],
  ])('%s', (_, fields, reason) => {
    expect(invalidReason(put('k', 'v', fields))).toContain(reason);
  });

  test('also when it is a delete', () => {
    expect(invalidReason(del('k', { key: bytes(0) }))).toContain('key');
    expect(invalidReason(del('k'))).toBeUndefined();
  });
});

test.each([
  [1, true],
  [Number.MAX_SAFE_INTEGER, true],
  [0, false],
  [-5, false],
  [0.5, false],
  [Infinity, false],
])('a session may live %d ms: %s', (ttlMs, valid) => {
  expect(invalidSession({ kind: 'register-session', ttlMs }) === undefined).toBe(valid);
});

test.each([
  ['default', true],
  ['0', true],
  ['a-b_c.d', true],
  ['-a', false],
  ['a/b', false],
])('%s is a namespace: %s', (text, valid) => {
  expect(isNamespace(text)).toBe(valid);
});
