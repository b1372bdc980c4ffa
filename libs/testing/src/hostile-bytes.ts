/**
 * What every decoder of the wire and of the disk must stand, as a jest suite that each of them runs: cuts, flipped
 * bits, lengths and counts that claim more than there is, bytes at random, and its corpus of named cases.
 *
 * Whatever comes in, the decoder
 *   1. gives a value, or throws one of its own errors, and no other
 *   2. allocates no more than a small multiple of the bytes that are there, whatever they claim
 *   3. ends soon
 *   4. takes no beginning and no continuation of a valid encoding for another one, unless `isOpenEnded`
 *   5. gives only values that encode to the same bytes again (`encode`), unless `isLenient`
 *
 * The corpus is the file `<name>.txt` in the directory `corpus`, in blocks apart by an empty line: a title, hexadecimal bytes, `----`,
 * and what comes of them. Lines with # are comments; `REWRITE=1` writes what comes of them now.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import fc from 'fast-check';
import { DecodeError } from '@kvstore/std';

export interface HostileDecoder<Value> {
  /** Valid encodings of at most some 200 bytes, each kind of them once: every damage is done to each. */
  readonly samples: readonly Uint8Array[];
  decode(bytes: Uint8Array): Value;
  /** Given when a value says all that its bytes said. */
  encode?(value: Value): Uint8Array;
  /** The errors that it may throw; default: `DecodeError`. */
  readonly refusals?: readonly ErrorClass[];
  /** Why the bytes were refused, where a value says so and no error. */
  refusalOf?(value: Value): string | undefined;
  /** A message may end after every field, or go on behind its end. */
  readonly isOpenEnded?: boolean;
  /** Several encodings mean the same; the first one that is encoded again is final. */
  readonly isLenient?: boolean;
  /** The directory of its corpus. */
  readonly corpus: string;
}

type ErrorClass = abstract new (...parameters: never[]) => Error;
type Attempt<Value> = { readonly value: Value } | { readonly refused: string };

const ALLOCATED_BYTES_MAX = 1 << 20;
const CPU_MS_MAX = 500;
const RANDOM_RUNS = 400;
const RANDOM_BYTES_MAX = 120;
const WIDTHS = [1, 2, 4, 8] as const;

export function hostileBytes<Value>(name: string, decoder: HostileDecoder<Value>): void {
  const { samples } = decoder;
  const attempt = (bytes: Uint8Array): Attempt<Value> => attemptOf(decoder, bytes);

  describe(`${name}, from hostile bytes`, () => {
    test('valid encodings are accepted', () => {
      expect(samples.length).toBeGreaterThan(0);
      for (const sample of samples) expect(attempt(sample)).toHaveProperty('value');
    });

    test('every cut, and a byte more', () => {
      for (const sample of samples) {
        const cuts = Array.from(sample, (_, length) => sample.subarray(0, length));
        for (const bytes of [...cuts, append(sample, 0), append(sample, 0xff)]) {
          const isRefused = 'refused' in attempt(bytes);
          if (decoder.isOpenEnded !== true)
            expect([hex(bytes), isRefused]).toEqual([hex(bytes), true]);
        }
      }
    });

    test('every flipped bit', () => {
      for (const sample of samples) {
        for (let bit = 0; bit < sample.length * 8; bit++) {
          const flipped = sample.slice();
          flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
          attempt(flipped);
        }
      }
    });

    test('every number as large as can be, as nothing, and one above what is there', () => {
      for (const sample of samples) for (const bytes of exaggerations(sample)) attempt(bytes);
    });

    test('bytes at random, alone and behind the beginning of a valid encoding', () => {
      const begun = fc.record({
        sample: fc.constantFrom(...samples),
        cut: fc.nat(),
        rest: fc.uint8Array({ maxLength: RANDOM_BYTES_MAX }),
      });
      fc.assert(
        fc.property(begun, ({ sample, cut, rest }) => {
          attempt(rest);
          attempt(Uint8Array.from([...sample.subarray(0, cut % (sample.length + 1)), ...rest]));
        }),
        { numRuns: RANDOM_RUNS },
      );
    });

    test('its corpus', () => {
      const path = join(decoder.corpus, `${name.replaceAll(' ', '-')}.txt`);
      const cases = parseCorpus(readFileSync(path, 'utf8'));
      expect(cases.length).toBeGreaterThan(0);
      const now = cases.map((each) => ({ ...each, outcome: outcomeOf(attempt(each.bytes)) }));
      if (process.env['REWRITE'] === '1') writeFileSync(path, renderCorpus(now));
      else expect(now).toEqual(cases);
    });
  });
}

/** Decodes once, and checks all that holds for any bytes: throws when it does not. */
export function attemptOf<Value>(
  decoder: HostileDecoder<Value>,
  bytes: Uint8Array,
): Attempt<Value> {
  const before = allocatedBytes();
  const { user } = process.threadCpuUsage();
  const attempt = decodeOnce(decoder, bytes);
  const cpuMs = (process.threadCpuUsage().user - user) / 1_000;
  const allocated = allocatedBytes() - before;
  if (allocated > ALLOCATED_BYTES_MAX)
    throw new Error(`${hex(bytes)}: allocated ${allocated} bytes`);
  if (cpuMs > CPU_MS_MAX) throw new Error(`${hex(bytes)}: took ${cpuMs} ms`);
  if ('value' in attempt) checkEncodedAgain(decoder, bytes, attempt.value);
  return attempt;
}

function decodeOnce<Value>(decoder: HostileDecoder<Value>, bytes: Uint8Array): Attempt<Value> {
  const { refusals = [DecodeError] } = decoder;
  try {
    const value = decoder.decode(bytes);
    const refused = decoder.refusalOf?.(value);
    return refused === undefined ? { value } : { refused };
  } catch (error) {
    const own = refusals.find((refusal) => error instanceof refusal);
    if (own === undefined) throw new Error(`${hex(bytes)}: ${String(error)}`, { cause: error });
    return { refused: (error as Error).message };
  }
}

function checkEncodedAgain<Value>(
  decoder: HostileDecoder<Value>,
  bytes: Uint8Array,
  value: Value,
): void {
  if (decoder.encode === undefined) return;
  const encoded = decoder.encode(value);
  const { isLenient = false } = decoder;
  const again = isLenient ? decoder.encode(decoder.decode(encoded)) : bytes;
  if (hex(encoded) !== hex(again)) {
    throw new Error(`${hex(again)} is encoded as ${hex(encoded)}`);
  }
}

function allocatedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

/** Every window of a number's width, overwritten as a length, a count or an index might be. */
function* exaggerations(sample: Uint8Array): Generator<Uint8Array> {
  for (const width of WIDTHS) {
    for (let at = 0; at + width <= sample.length; at++) {
      const rest = sample.length - at - width;
      for (const [first, others] of [
        [0xff, 0xff],
        [0x7f, 0xff],
        [0, 0],
      ] as const) {
        const bytes = sample.slice();
        bytes.fill(others, at, at + width);
        bytes[at] = first;
        yield bytes;
      }
      const above = sample.slice();
      above.fill(0, at, at + width);
      above[at + width - 1] = (rest + 1) & 0xff;
      if (width > 1) above[at + width - 2] = (rest + 1) >>> 8;
      yield above;
    }
  }
}

interface Case {
  readonly comments: readonly string[];
  readonly title: string;
  readonly bytes: Uint8Array;
  readonly outcome: string;
}

function outcomeOf(attempt: Attempt<unknown>): string {
  return 'value' in attempt ? 'accepted' : `refused: ${attempt.refused}`;
}

function parseCorpus(text: string): Case[] {
  return text
    .split(/\n\n+/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const lines = block.trim().split('\n');
      const comments = lines.filter((line) => line.startsWith('#'));
      const [title = '', ...rest] = lines.filter((line) => !line.startsWith('#'));
      const rule = rest.indexOf('----');
      const digits = (rule < 0 ? rest : rest.slice(0, rule)).join('').replaceAll(' ', '');
      const bytes = Uint8Array.from(Buffer.from(digits, 'hex'));
      if (bytes.length * 2 !== digits.length) throw new Error(`${title}: not hexadecimal`);
      return { comments, title, bytes, outcome: rule < 0 ? '' : rest.slice(rule + 1).join('\n') };
    });
}

const LINE_BYTES = 40;

function renderCorpus(cases: readonly Case[]): string {
  const blocks = cases.map(({ comments, title, bytes, outcome }) => {
    const lines = hex(bytes).match(new RegExp(`.{1,${2 * LINE_BYTES}}`, 'g')) ?? [];
    return [...comments, title, ...lines, '----', outcome].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

function append(bytes: Uint8Array, byte: number): Uint8Array {
  return Uint8Array.from([...bytes, byte]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
