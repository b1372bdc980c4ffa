/** Content negotiation (RFC 9110, 12.5.1) between the few representations there are. */
import { failure } from '@kvstore/contract';
import { FailureException } from '@kvstore/nest-kit';

export const ENTRY_TYPE = 'application/vnd.kvstore.entry+json';

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

/**
 * Whether a GET of a key asks for the entry view instead of the value. The value has whatever type
 * was stored, so no other range is ever refused, except types of this API that do not exist.
 */
export function wantsEntry(accept: string | undefined): boolean {
  if (accept === undefined || !accept.toLowerCase().includes('vnd.kvstore')) return false;
  const ranges = parse(accept);
  const entry = ranges.find((range) => range.type === ENTRY_TYPE)?.quality ?? 0;
  const others = ranges.filter((range) => range.type !== ENTRY_TYPE && !isOurs(range.type));
  const other = Math.max(0, ...others.map((range) => range.quality));
  if (entry === 0 && other === 0) throw notAcceptable(`the stored value, or ${ENTRY_TYPE}`);
  return entry >= other && entry > 0;
}

/** For answers that exist as JSON only. */
export function requireJson(accept: string | undefined): void {
  if (accept === undefined) return;
  const accepted = parse(accept).some(
    ({ type, quality }) =>
      quality > 0 && (type === '*/*' || type === 'application/*' || type === 'application/json'),
  );
  if (!accepted) throw notAcceptable('application/json');
}

function isOurs(type: string): boolean {
  return type.startsWith('application/vnd.kvstore');
}

function notAcceptable(offered: string): FailureException {
  return new FailureException(failure('NOT_ACCEPTABLE', `This resource is offered as ${offered}.`));
}

function parse(accept: string): readonly MediaRange[] {
  return accept.split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 };
  });
}
