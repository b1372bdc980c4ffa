/**
 * Small JSON bodies of the administrative routes: one object with exactly the fields that the route has.
 * Throws `FailureException`, answered as INVALID_ARGUMENT.
 */
import { decodeUtf8, DecodeError } from '@kvstore/std';
import { failure } from '@kvstore/contract';
import { FailureException, nearestName, type HttpRequest } from '@kvstore/nest-kit';
import { readValue } from './body.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** A body that Fastify has read is there already; others are read here. */
export async function readJsonObject(
  request: HttpRequest,
  fields: readonly string[],
): Promise<JsonObject> {
  const { body } = request as { readonly body?: unknown };
  const bytes = Buffer.isBuffer(body) ? body : await readValue(request.raw);
  if (!(bytes instanceof Uint8Array)) throw new FailureException(bytes);
  const value = parse(bytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(`is a JSON object with ${fields.join(', ')}`);
  }
  for (const name of Object.keys(value)) {
    if (fields.includes(name)) continue;
    const nearest = nearestName(name, fields);
    refuse(`has no field ${JSON.stringify(name.slice(0, 64))}; the nearest is "${nearest}"`);
  }
  return value as JsonObject;
}

export function textField(object: JsonObject, name: string): string {
  const value = object[name];
  return typeof value === 'string' ? value : refuse(`needs ${name}, a string`);
}

export function integerField(object: JsonObject, name: string): number {
  const value = object[name];
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  return refuse(`needs ${name}, an integer`);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DecodeError) {
      return refuse('is not JSON in UTF-8');
    }
    throw error;
  }
}

function refuse(what: string): never {
  throw new FailureException(failure('INVALID_ARGUMENT', `The body ${what}.`));
}
