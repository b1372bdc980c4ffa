/** What the administrative routes have in common: `?timeout=` is all that their targets say, answers are JSON. */
import { REQUEST_ID_HEADER, type HttpReply, type HttpRequest } from '@kvstore/nest-kit';
import { requireJson } from './accept.ts';
import { orThrow, timeoutOf } from './parameters.ts';
import { parseQuery } from './query.ts';
import { queryOf } from './request-target.ts';

/** In milliseconds. Throws `FailureException`, also when the client takes no JSON. */
export function adminTimeoutOf({ raw }: HttpRequest): number {
  requireJson(raw.headers.accept);
  return timeoutOf(orThrow(parseQuery(queryOf(raw.url ?? ''), { timeout: 'single' })));
}

export function answerDocument(
  request: HttpRequest,
  reply: HttpReply,
  document: object,
  fields: Readonly<Record<string, number>> = {},
): void {
  const body = Buffer.from(JSON.stringify(document));
  reply.hijack();
  reply.raw.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    'cache-control': 'no-store',
    ...fields,
    [REQUEST_ID_HEADER]: request.id,
  });
  reply.raw.end(body);
}
