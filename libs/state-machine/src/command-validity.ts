/**
 * What apply accepts. Gateways refuse all of this before; here it is the last line, the same on
 * every replica, and what lets everything below assume that fields fit their formats.
 */
import { isCount } from '@kvstore/std';
import type { DeleteCommand, PutCommand, RegisterSessionCommand, Tag } from './command.ts';
import { utf8Length } from './fixed-fields.ts';

const KEY_BYTES_MAX = 1024;
const NAMESPACE_BYTES_MAX = 63;
const CONTENT_TYPE_BYTES_MAX = 255;
const TAGS_MAX = 16;
const TAG_NAME_BYTES_MAX = 64;
const TAG_VALUE_BYTES_MAX = 256;
const PRINCIPAL_BYTES_MAX = 255;
const IDEMPOTENCY_KEY_BYTES_MAX = 255;

/** Why the command can have no effect, or undefined when it is valid. */
export function invalidReason(command: PutCommand | DeleteCommand): string | undefined {
  if (!isNamespace(command.namespace)) return 'namespace must match [a-z0-9][a-z0-9._-]{0,62}';
  if (!isKey(command.key)) return 'a key has 1 to 1024 bytes';
  if (command.idempotencyKey !== undefined) {
    if (utf8Length(command.idempotencyKey) > IDEMPOTENCY_KEY_BYTES_MAX) {
      return 'an idempotency key has at most 255 bytes';
    }
    if (utf8Length(command.principal) > PRINCIPAL_BYTES_MAX) {
      return 'a principal has at most 255 bytes';
    }
    if (!isCount(command.digest)) return 'a digest is an integer of 53 bits';
  }
  return command.kind === 'put' ? invalidContent(command) : undefined;
}

export function invalidSession(command: RegisterSessionCommand): string | undefined {
  return isDuration(command.ttlMs) ? undefined : 'ttl must be 1 to 2^53-1 ms';
}

/** `[a-z0-9][a-z0-9._-]{0,62}`. */
export function isNamespace(text: string): boolean {
  if (text.length > NAMESPACE_BYTES_MAX || !isName(text)) return false;
  return isLetterOrDigit(text.charCodeAt(0));
}

export function isKey(key: Uint8Array): boolean {
  return key.length >= 1 && key.length <= KEY_BYTES_MAX;
}

function invalidContent(command: PutCommand): string | undefined {
  if (command.ttlMs !== undefined && !isDuration(command.ttlMs)) {
    return 'ttl must be 1 to 2^53-1 ms';
  }
  if (utf8Length(command.contentType) > CONTENT_TYPE_BYTES_MAX) {
    return 'a content type has at most 255 bytes';
  }
  if (command.tags.length > TAGS_MAX) return 'a value has at most 16 tags';
  return command.tags.every(isTag)
    ? undefined
    : 'a tag is [a-z0-9._-]{1,64} with a value of at most 256 bytes';
}

function isTag(tag: Tag): boolean {
  if (tag.name.length > TAG_NAME_BYTES_MAX || !isName(tag.name)) return false;
  return utf8Length(tag.value) <= TAG_VALUE_BYTES_MAX;
}

function isDuration(ms: number): boolean {
  return isCount(ms) && ms >= 1;
}

/** `[a-z0-9._-]+`. */
function isName(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (!isLetterOrDigit(unit) && unit !== 0x2e && unit !== 0x5f && unit !== 0x2d) return false;
  }
  return text.length > 0;
}

function isLetterOrDigit(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39);
}
