/** The suite of decoders finds those that do not stand it. */
import { ByteReader, DecodeError } from '@kvstore/std';
import { attemptOf } from './hostile-bytes.ts';

const BYTES = Uint8Array.of(0xff, 0xff);

function attempt(
  decode: (bytes: Uint8Array) => unknown,
  encode?: (value: unknown) => Uint8Array,
): unknown {
  const decoder = { samples: [], corpus: '', decode };
  return attemptOf(encode === undefined ? decoder : { ...decoder, encode }, BYTES);
}

test('a value and an own error are what a decoder may give', () => {
  expect(attempt((bytes) => bytes.length)).toEqual({ value: 2 });
  expect(attempt((bytes) => new ByteReader(bytes).u32())).toEqual({ refused: 'truncated' });
});

test.each([
  ['another error', 'ffff: RangeError: no', () => ({ error: new RangeError('no') })],
  ['bytes of the length that is claimed', 'allocated', () => ({ value: new Uint8Array(2 << 20) })],
  ['a list of it', 'allocated', () => ({ value: new Array<number>(1 << 18).fill(7) })],
  ['more than the bytes that are there take', 'took', () => ({ value: spin(600) })],
])('%s: found', (_, message, make: () => { value?: unknown; error?: Error }) => {
  const decode = (): unknown => {
    const { value, error } = make();
    if (error !== undefined) throw error;
    return value;
  };
  expect(() => attempt(decode)).toThrow(message);
});

test('bytes that are not looked at are found, and an error of the encoder', () => {
  const first = (bytes: Uint8Array): unknown => bytes[0];
  expect(() => attempt(first, () => Uint8Array.of(0xff))).toThrow('ffff is encoded as ff');
  const fails = (): never => {
    throw new DecodeError('of the encoder');
  };
  expect(() => attempt(first, fails)).toThrow('of the encoder');
});

/** Why rarely asked: every answer is an object, and the suite counts what is allocated. */
function spin(cpuMs: number): number {
  const start = process.threadCpuUsage().user;
  let turns = 0;
  do {
    for (let i = 0; i < 1e6; i++) turns += i & 1;
  } while (process.threadCpuUsage().user - start < cpuMs * 1_000);
  return turns;
}
