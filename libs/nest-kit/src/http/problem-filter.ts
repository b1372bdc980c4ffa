/**
 * The one place where an exception becomes an answer: whatever a route, Nest or Fastify throws leaves
 * as a problem document. What is not known here is INTERNAL: logged with the request id, and the
 * client learns the id only.
 */
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { failure, type Failure } from '@kvstore/contract';
import type { EventLog } from '../logger.ts';
import { errorCode } from '../system-error.ts';
import type { HttpReply, HttpRequest } from './http-types.ts';
import { FailureException, writeProblem, type ProblemHeaders } from './problem.ts';
import type { RouteTable } from './route-table.ts';

@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log: EventLog;
  readonly #routes: RouteTable;

  constructor(log: EventLog, routes: RouteTable) {
    this.#log = log;
    this.#routes = routes;
  }

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(exception, http.getRequest<HttpRequest>(), http.getResponse<HttpReply>());
  }

  answer(exception: unknown, request: HttpRequest, reply: HttpReply): void {
    const { raw } = reply;
    if (raw.headersSent) {
      raw.destroy();
      return;
    }
    const found = this.#failureOf(exception, request);
    if (found.failure.code === 'INTERNAL') {
      this.#log.event('error', 'request failed', { requestId: request.id, err: exception });
    }
    reply.hijack();
    // Node reads and drops what is left of the body: closing instead would reset the connection
    // before a client that is still sending could read the answer.
    writeProblem(raw, found.failure, request.id, found.headers);
  }

  #failureOf(
    exception: unknown,
    request: HttpRequest,
  ): { readonly failure: Failure; readonly headers: ProblemHeaders } {
    if (exception instanceof FailureException) return exception;
    if (isNotFound(exception)) return this.#unroutable(request);
    return { failure: failureOfFramework(exception), headers: {} };
  }

  #unroutable(request: HttpRequest): {
    readonly failure: Failure;
    readonly headers: ProblemHeaders;
  } {
    const methods = this.#routes.methodsOf(pathOf(request.raw.url ?? ''));
    if (methods.length === 0) {
      return { failure: failure('ROUTE_NOT_FOUND', 'There is no such route.'), headers: {} };
    }
    const allow = methods.join(', ');
    return {
      failure: failure('METHOD_NOT_ALLOWED', `This route has the methods ${allow}.`),
      headers: { allow },
    };
  }
}

function isNotFound(exception: unknown): boolean {
  return exception instanceof HttpException && exception.getStatus() === 404;
}

/** Codes of Fastify, and the HTTP status as the last resort: a 4xx of the framework is no 500. */
function failureOfFramework(exception: unknown): Failure {
  const cause = exception instanceof HttpException ? (exception.cause ?? exception) : exception;
  switch (errorCode(cause)) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return failure('VALUE_TOO_LARGE', 'The body exceeds the limit.');
    case 'FST_ERR_BAD_URL':
      return failure(
        'INVALID_ARGUMENT',
        'The URL is not well-formed: it must be percent-encoded UTF-8.',
      );
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return failure('HEADERS_TOO_LARGE', 'The URL is too long.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return failure('INVALID_ARGUMENT', 'The body is not as long as Content-Length says.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return failure('INVALID_ARGUMENT', 'The Content-Type is not a media type.');
    case 'ECONNRESET':
      return failure('INVALID_ARGUMENT', 'The connection ended before the request did.');
    default:
      return failureOfStatus(exception instanceof HttpException ? exception.getStatus() : 500);
  }
}

function failureOfStatus(status: number): Failure {
  if (status >= 400 && status < 500) {
    return failure('INVALID_ARGUMENT', 'The request is malformed.');
  }
  return failure('INTERNAL', 'An unexpected error; the request id finds it in the log.');
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}
