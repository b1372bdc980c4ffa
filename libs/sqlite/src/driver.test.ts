import { isRecent, openConnection, sqliteCode } from './driver.ts';

test.each([
  ['3.51.3', true],
  ['3.51.2', false],
  ['3.54.1', true],
  ['3.7.17', false],
  ['4.0.0', true],
  ['3.52', true],
])('SQLite %s is recent enough: %p', (version, recent) => {
  expect(isRecent(version)).toBe(recent);
});

test('failures of SQLite have a code, others have none', () => {
  let failure: unknown;
  try {
    openConnection(':memory:').exec('SELECT * FROM nothing');
  } catch (error) {
    failure = error;
  }
  expect(sqliteCode(failure)).toBe('SQLITE_ERROR');
  expect(sqliteCode(new Error('x'))).toBeUndefined();
});
