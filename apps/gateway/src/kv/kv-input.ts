/**
 * What a key, a value and their attributes may be (the public contract's "Keys and values"), for
 * every protocol alike. Each check answers a `Failure` for what is wrong, or undefined.
 */
import { isUtf8 } from 'node:buffer';
import { failure, Limits, type Failure } from '@kvstore/contract';
import type { Condition, Tag } from '@kvstore/state-machine';

/** Who asks, until there is authentication. */
export const ANONYMOUS = 'anonymous';
export const DEFAULT_NAMESPACE = 'default';
export const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

const NAMESPACE = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const TAG_NAME = /^[a-z0-9._-]{1,64}$/;
/** In Unicode mode a pair is one code point, so only half of one matches. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const PRINTABLE = /^[\x20-\x7e]+$/;

export function checkNamespace(namespace: string): Failure | undefined {
  if (namespace === DEFAULT_NAMESPACE || NAMESPACE.test(namespace)) return undefined;
  return invalid('A namespace must match [a-z0-9][a-z0-9._-]{0,62}.');
}

export function checkKey(key: Uint8Array): Failure | undefined {
  if (key.length === 0) return invalid('The key is empty.');
  if (key.length > Limits.keyBytesMax) {
    return failure(
      'KEY_TOO_LONG',
      `The key has ${key.length} bytes, the limit is ${Limits.keyBytesMax}.`,
    );
  }
  return isUtf8(key) ? undefined : invalid('The key is not UTF-8.');
}

export function checkValue(value: Uint8Array): Failure | undefined {
  return value.length <= Limits.valueBytesMax ? undefined : valueTooLarge(value.length);
}

export function valueTooLarge(bytes: number | undefined): Failure {
  const size = bytes === undefined ? 'The value is larger than' : `The value has ${bytes} bytes,`;
  const verb = bytes === undefined ? '' : ' the limit is';
  return failure('VALUE_TOO_LARGE', `${size}${verb} ${Limits.valueBytesMax} bytes.`);
}

export function checkContentType(contentType: string): Failure | undefined {
  if (contentType === DEFAULT_CONTENT_TYPE) return undefined;
  const fits = contentType.length <= Limits.contentTypeBytesMax && PRINTABLE.test(contentType);
  if (fits) return undefined;
  return invalid(
    `A content type is 1 to ${Limits.contentTypeBytesMax} printable ASCII characters.`,
  );
}

export function checkTags(tags: readonly Tag[]): Failure | undefined {
  if (tags.length === 0) return undefined;
  if (tags.length > Limits.tagsMax) return invalid(`A key has at most ${Limits.tagsMax} tags.`);
  const names = new Set<string>();
  for (const { name, value } of tags) {
    if (!TAG_NAME.test(name)) return invalid('A tag name must match [a-z0-9._-]{1,64}.');
    if (names.has(name)) return invalid(`The tag ${name} is given twice.`);
    if (LONE_SURROGATE.test(value) || Buffer.byteLength(value) > Limits.tagValueBytesMax) {
      return invalid(`A tag value is at most ${Limits.tagValueBytesMax} bytes of UTF-8.`);
    }
    names.add(name);
  }
  return undefined;
}

export function checkTtl(ttlMs: number | undefined): Failure | undefined {
  if (ttlMs === undefined) return undefined;
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= Limits.ttlMsMax) return undefined;
  return invalid('A time to live is 1 ms to 36500 days.');
}

export function checkTimeout(timeoutMs: number): Failure | undefined {
  if (Number.isSafeInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= Limits.timeoutMsMax) {
    return undefined;
  }
  return invalid(`A timeout is 1 ms to ${Limits.timeoutMsMax / 1_000} s.`);
}

export function checkIdempotencyKey(key: string | undefined): Failure | undefined {
  if (key === undefined) return undefined;
  if (key.length <= Limits.idempotencyKeyBytesMax && PRINTABLE.test(key)) return undefined;
  return invalid(
    `An idempotency key is 1 to ${Limits.idempotencyKeyBytesMax} printable ASCII characters.`,
  );
}

export function checkConditions(conditions: readonly Condition[]): Failure | undefined {
  for (const condition of conditions) {
    if (!('revisions' in condition)) continue;
    if (condition.revisions.length > Limits.conditionRevisionsMax) {
      return invalid(`A condition names at most ${Limits.conditionRevisionsMax} revisions.`);
    }
  }
  return undefined;
}

function invalid(detail: string): Failure {
  return failure('INVALID_ARGUMENT', detail);
}
