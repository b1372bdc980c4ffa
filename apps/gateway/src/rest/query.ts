/**
 * Strict query strings: every parameter must be one the route knows, and be given once unless it may
 * repeat. A mistyped option that is ignored would be a write without its condition or time to live.
 *
 * A form's rules apply: `+` is a space, `&` separates, empty parts are skipped.
 */
import { isUtf8 } from 'node:buffer';
import { failure, type Failure } from '@kvstore/contract';
import { nearestName } from '@kvstore/nest-kit';
import { percentDecode } from './percent.ts';

export type ParameterTable = Readonly<Record<string, 'single' | 'repeated'>>;

export class Query {
  readonly kind = 'query';
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  get(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}

const EMPTY = new Query(new Map());

export function parseQuery(text: string, table: ParameterTable): Query | Failure {
  if (text === '') return EMPTY;
  const values = new Map<string, string[]>();
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals === -1 ? part : part.slice(0, equals));
    const value = decode(equals === -1 ? '' : part.slice(equals + 1));
    if (name === undefined || value === undefined) {
      return failure('INVALID_ARGUMENT', 'The query is not percent-encoded UTF-8.');
    }
    if (!Object.hasOwn(table, name)) return unknownParameter(name, table);
    const earlier = values.get(name);
    if (earlier === undefined) values.set(name, [value]);
    else if (table[name] === 'repeated') earlier.push(value);
    else return failure('INVALID_ARGUMENT', `The query parameter ${name} is given twice.`);
  }
  return new Query(values);
}

function unknownParameter(name: string, table: ParameterTable): Failure {
  const nearest = nearestName(name, Object.keys(table));
  const shown = JSON.stringify(name.slice(0, 64));
  const hint = nearest === undefined ? 'this route takes none' : `the nearest is "${nearest}"`;
  return failure('INVALID_ARGUMENT', `Unknown query parameter ${shown}; ${hint}.`);
}

function decode(text: string): string | undefined {
  const bytes = percentDecode(text, true);
  return bytes !== undefined && isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}
