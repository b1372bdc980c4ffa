/**
 * `/api/v1/keys/{key}`: decode → call → encode.
 *
 * The handlers take the raw request and response: Nest's parameter pipes, interceptors and reply
 * mapping would cost more than the rest of the handler (DESIGN.md). What they throw is answered by the
 * problem filter.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Delete, Get, Inject, Put, Req, Res } from '@nestjs/common';
import type { DeleteRequest, GetRequest, PutRequest } from '@kvstore/cluster-client';
import { failure } from '@kvstore/contract';
import {
  FailureException,
  MetricRegistry,
  OperationMetrics,
  type HttpReply,
  type HttpRequest,
  type RequestCode,
} from '@kvstore/nest-kit';
import { KvApi } from '../kv/kv-api.ts';
import { ANONYMOUS, DEFAULT_CONTENT_TYPE } from '../kv/kv-input.ts';
import { wantsEntry } from './accept.ts';
import { readValue } from './body.ts';
import { evaluateRead, readConditions, writeConditions } from './conditions.ts';
import {
  sendDeleted,
  sendEntry,
  sendFailure,
  sendNotModified,
  sendPut,
  sendValue,
} from './key-replies.ts';
import {
  booleanOf,
  consistencyOf,
  durationOf,
  integerOf,
  namespaceOf,
  orThrow,
  revisionOf,
  tagsOf,
  timeoutOf,
} from './parameters.ts';
import { parseQuery, type ParameterTable, type Query } from './query.ts';
import { parseKeyTarget } from './request-target.ts';

const PUT_PARAMETERS: ParameterTable = {
  namespace: 'single',
  ttl: 'single',
  tag: 'repeated',
  if_version: 'single',
  lease: 'single',
  timeout: 'single',
};
const GET_PARAMETERS: ParameterTable = {
  namespace: 'single',
  revision: 'single',
  consistency: 'single',
  min_revision: 'single',
  timeout: 'single',
};
const DELETE_PARAMETERS: ParameterTable = {
  namespace: 'single',
  strict: 'single',
  if_version: 'single',
  timeout: 'single',
};

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
) => Promise<RequestCode>;

@Controller('api/v1/keys')
export class KeysController {
  readonly #kv: KvApi;
  readonly #put: OperationMetrics;
  readonly #get: OperationMetrics;
  readonly #delete: OperationMetrics;

  constructor(@Inject(KvApi) kv: KvApi, @Inject(MetricRegistry) metrics: MetricRegistry) {
    this.#kv = kv;
    this.#put = new OperationMetrics(metrics, 'rest', 'put');
    this.#get = new OperationMetrics(metrics, 'rest', 'get');
    this.#delete = new OperationMetrics(metrics, 'rest', 'delete');
  }

  @Put('*')
  put(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return serve(request, reply, this.#put, this.#onPut);
  }

  /** Serves HEAD too. */
  @Get('*')
  get(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return serve(request, reply, this.#get, this.#onGet);
  }

  @Delete('*')
  delete(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return serve(request, reply, this.#delete, this.#onDelete);
  }

  readonly #onPut: Handler = async (request, response, id) => {
    const { key, query } = decode(request, PUT_PARAMETERS);
    const attributes = decodePut(request, query);
    const body = orThrow(await readValue(request));
    const put: PutRequest = { ...attributes, key, value: body.bytes };
    const result = await this.#kv.put(put, timeoutOf(query));
    if (result.kind === 'failure') {
      sendFailure(response, id, result);
      return result.code;
    }
    sendPut(response, id, put, result);
    return 'OK';
  };

  readonly #onGet: Handler = async (request, response, id) => {
    const { key, query } = decode(request, GET_PARAMETERS);
    const get = decodeGet(key, query);
    const conditions = readConditions(request.headers);
    const entryView = wantsEntry(request.headers.accept);
    const result = await this.#kv.get(get, timeoutOf(query));
    if (result.kind === 'failure') {
      sendFailure(response, id, result);
      return result.code;
    }
    const verdict = evaluateRead(conditions, result.entry.modRevision);
    if (verdict === 'failed') {
      const { modRevision, version } = result.entry;
      const extra = { mod_revision: modRevision, version, revision: result.revision };
      throw new FailureException(failure('CONDITION_FAILED', 'If-Match does not hold.', { extra }));
    }
    if (verdict === 'not-modified') sendNotModified(response, id, result);
    else if (entryView) sendEntry(response, id, get, result);
    else sendValue(response, id, result);
    return 'OK';
  };

  readonly #onDelete: Handler = async (request, response, id) => {
    const { key, query } = decode(request, DELETE_PARAMETERS);
    const strict = booleanOf(query, 'strict');
    const result = await this.#kv.delete(decodeDelete(key, request, query), timeoutOf(query), {
      strict,
    });
    if (result.kind === 'failure') {
      sendFailure(response, id, result);
      return result.code;
    }
    sendDeleted(response, id, result);
    return 'OK';
  };
}

async function serve(
  request: HttpRequest,
  reply: HttpReply,
  metrics: OperationMetrics,
  handler: Handler,
): Promise<void> {
  const startedMs = performance.now();
  reply.hijack();
  try {
    const code = await handler(request.raw, reply.raw, request.id);
    metrics.record(code, startedMs);
  } catch (error) {
    const code = error instanceof FailureException ? error.failure.code : 'INTERNAL';
    metrics.record(code, startedMs);
    throw error;
  }
}

function decode(
  request: IncomingMessage,
  parameters: ParameterTable,
): { readonly key: Uint8Array; readonly query: Query } {
  const target = orThrow(parseKeyTarget(request.url ?? ''));
  return { key: target.key, query: orThrow(parseQuery(target.query, parameters)) };
}

function decodePut(request: IncomingMessage, query: Query): Omit<PutRequest, 'key' | 'value'> {
  if (query.get('lease') !== undefined) {
    throw new FailureException(failure('UNIMPLEMENTED', 'Leases do not exist yet.'));
  }
  return {
    kind: 'put',
    namespace: namespaceOf(query),
    conditions: writeConditions(request.headers, integerOf(query, 'if_version')),
    principal: ANONYMOUS,
    idempotencyKey: idempotencyKeyOf(request),
    contentType: request.headers['content-type'] ?? DEFAULT_CONTENT_TYPE,
    tags: tagsOf(query),
    ttlMs: durationOf(query, 'ttl'),
  };
}

function decodeGet(key: Uint8Array, query: Query): GetRequest {
  const minRevision = revisionOf(query, 'min_revision');
  return {
    namespace: namespaceOf(query),
    key,
    consistency: consistencyOf(query, minRevision),
    minRevision,
    atRevision: revisionOf(query, 'revision'),
  };
}

function decodeDelete(key: Uint8Array, request: IncomingMessage, query: Query): DeleteRequest {
  return {
    kind: 'delete',
    namespace: namespaceOf(query),
    key,
    conditions: writeConditions(request.headers, integerOf(query, 'if_version')),
    principal: ANONYMOUS,
    idempotencyKey: idempotencyKeyOf(request),
  };
}

function idempotencyKeyOf(request: IncomingMessage): string | undefined {
  const header = request.headers['idempotency-key'];
  return typeof header === 'string' ? header : undefined;
}
