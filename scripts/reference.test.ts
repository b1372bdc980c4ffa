import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { referencePages } from './reference.ts';

test.each(Object.keys(referencePages))('%s is what the code says', (path) => {
  const written = readFileSync(join(__dirname, '..', path), 'utf8');
  expect(referencePages[path]!().trim()).toBe(written.trim());
});
