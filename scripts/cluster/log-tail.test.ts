import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastLine } from './log-tail.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvstore-log-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function last(text: string, offset = 0): string | undefined {
  const path = join(directory, 'log');
  writeFileSync(path, text);
  return lastLine(path, offset);
}

test('the last line since the offset is what the process said last', () => {
  expect(last('a\nb\n')).toBe('b');
  expect(last('a\nb\n', 4)).toBeUndefined();
  expect(last(`${'x'.repeat(100_000)}\nb\n`)).toBe('b');
});

test('of an error that nobody caught it is the message', () => {
  const text = `node:internal/modules/esm/resolve:1
    throw new ERR_MODULE_NOT_FOUND(
          ^

Error [ERR_MODULE_NOT_FOUND]: Cannot find module 'x'
    at finalizeResolution (node:internal/modules/esm/resolve:1:1) {
  code: 'ERR_MODULE_NOT_FOUND'
}

Node.js v24.0.0
`;
  expect(last(text)).toBe("Error [ERR_MODULE_NOT_FOUND]: Cannot find module 'x'");
});
