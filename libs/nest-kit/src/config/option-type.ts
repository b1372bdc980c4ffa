/**
 * The types an option can have: how its text is read (a zod schema, which is also its validation),
 * and how the reference describes it. YAML may give numbers where text is expected.
 */
import { z } from 'zod';
import { isNodeId } from '@kvstore/std';
import { parseByteSize } from '../units.ts';

export interface OptionType<T> {
  /** As the reference shows it, e.g. `port` or `size`. */
  readonly label: string;
  readonly schema: z.ZodType<T>;
}

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform((value) => String(value));

function optionType<T>(
  label: string,
  expected: string,
  parse: (text: string) => T | undefined,
): OptionType<T> {
  const schema = scalar.transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
  return { label, schema };
}

export function text(label: string): OptionType<string> {
  return optionType(label, 'some text', (value) => (value.trim() === '' ? undefined : value));
}

export function integer(label: string, min: number, max: number): OptionType<number> {
  return optionType(label, `an integer of ${min}..${max}`, (value) => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
    return number >= min && number <= max ? number : undefined;
  });
}

/** 0 asks the operating system for a free port. */
export const port = integer('port', 0, 65_535);

export function byteSize(min: number, max: number): OptionType<number> {
  const range = `a size such as 64MB, from ${sizeText(min)} to ${sizeText(max)}`;
  return optionType('size', range, (value) => {
    const bytes = parseByteSize(value);
    return bytes !== undefined && bytes >= min && bytes <= max ? bytes : undefined;
  });
}

export function oneOf<const T extends string>(choices: readonly T[]): OptionType<T> {
  return optionType(choices.join('|'), `one of ${choices.join(', ')}`, (value) =>
    choices.find((choice) => choice === value),
  );
}

/** Cluster and node names go into file names and bus subjects. */
export const name = optionType('name', 'a name of [a-z0-9][a-z0-9-]{0,31}', (value) =>
  isNodeId(value) ? (value as string) : undefined,
);

const NAMES_MAX = 31;

/** A list of distinct names. */
export const names: OptionType<readonly string[]> = optionType(
  'name,…',
  `1..${NAMES_MAX} distinct names of [a-z0-9][a-z0-9-]{0,31}, comma-separated`,
  (value) => {
    const list = value.split(',').map((each) => each.trim());
    const valid = list.every(isNodeId) && list.length <= NAMES_MAX;
    return valid && new Set(list).size === list.length ? list : undefined;
  },
);

/** `nats://host:port`, one or more; a user and password in them would end up in logs. */
export const natsUrls: OptionType<readonly string[]> = optionType(
  'url,…',
  'addresses like nats://127.0.0.1:4222, comma-separated, without user and password',
  (value) => {
    const list = value.split(',').map((each) => each.trim());
    return list.every(isNatsUrl) ? list : undefined;
  },
);

function isNatsUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  const plain = url.username === '' && url.password === '' && /^\/?$/.test(url.pathname);
  return url.protocol === 'nats:' && url.hostname !== '' && plain && url.search === '';
}

const SECRET_LENGTH_MIN = 16;

/** At least 16 characters, so that a mistyped file name does not become a guessable secret. */
export const secret = optionType('secret', `at least ${SECRET_LENGTH_MIN} characters`, (value) =>
  value.length >= SECRET_LENGTH_MIN ? value : undefined,
);

function sizeText(bytes: number): string {
  if (bytes % 1024 ** 3 === 0 && bytes > 0) return `${bytes / 1024 ** 3}GB`;
  if (bytes % 1024 ** 2 === 0 && bytes > 0) return `${bytes / 1024 ** 2}MB`;
  if (bytes % 1024 === 0 && bytes > 0) return `${bytes / 1024}KB`;
  return `${bytes}`;
}
