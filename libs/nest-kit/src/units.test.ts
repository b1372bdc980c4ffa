import { parseByteSize, parseDuration } from './units.ts';

describe('durations', () => {
  test.each([
    ['0', 0],
    ['1', 1_000],
    ['250ms', 250],
    ['5s', 5_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
  ])('%s is read as %d ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  test.each([
    '',
    '-1',
    '+1',
    '1.5s',
    '1e3',
    ' 1s',
    '1s ',
    '1 s',
    '1w',
    's',
    '0x10',
    '9223372036854775808',
    '9007199254740991d',
    '1S',
    '١',
  ])('%p is not a duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('byte sizes', () => {
  test.each([
    ['0', 0],
    ['1024', 1024],
    ['7B', 7],
    ['64MB', 67_108_864],
    ['64MiB', 67_108_864],
    ['1KiB', 1024],
    ['2GB', 2_147_483_648],
  ])('%s is read as %d bytes', (text, expected) => {
    expect(parseByteSize(text)).toBe(expected);
  });

  test.each(['', '-1MB', '1.5MB', '64 MB', '64mb', '64M', 'MB', '1TB', '9007199254740991GB'])(
    '%p is not a byte size',
    (text) => {
      expect(parseByteSize(text)).toBeUndefined();
    },
  );
});
