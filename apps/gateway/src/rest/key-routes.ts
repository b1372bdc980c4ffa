/**
 * What `/api/v1/keys/{key}` does, for every edge of HTTP alike: decode → call → encode. It knows no framework:
 * `KeysController` gives it the exchanges that came through Nest, `Gateway` those of the hot routes.
 */
import type { DeleteRequest, GetRequest, PutRequest } from '@kvstore/cluster-client';
import { failure, type Failure } from '@kvstore/contract';
import {
  FailureException,
  OperationMetrics,
  type EventLog,
  type MetricRegistry,
  type RequestCode,
} from '@kvstore/nest-kit';
import type { KvApi } from '../kv/kv-api.ts';
import { ANONYMOUS, DEFAULT_CONTENT_TYPE } from '../kv/kv-input.ts';
import { wantsEntry } from './accept.ts';
import { evaluateRead, readConditions, writeConditions } from './conditions.ts';
import type { KeyExchange, KeyFields } from './key-exchange.ts';
import {
  answerDeleted,
  answerEntry,
  answerFailure,
  answerNotModified,
  answerPut,
  answerValue,
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

/** Answers, or throws. */
type Handler = (exchange: KeyExchange) => Promise<RequestCode>;

export class KeyRoutes {
  readonly #kv: KvApi;
  readonly #log: EventLog;
  readonly #putMetrics: OperationMetrics;
  readonly #getMetrics: OperationMetrics;
  readonly #deleteMetrics: OperationMetrics;

  constructor(kv: KvApi, metrics: MetricRegistry, log: EventLog) {
    this.#kv = kv;
    this.#log = log;
    this.#putMetrics = new OperationMetrics(metrics, 'rest', 'put');
    this.#getMetrics = new OperationMetrics(metrics, 'rest', 'get');
    this.#deleteMetrics = new OperationMetrics(metrics, 'rest', 'delete');
  }

  /** Answers every exchange, whatever happens. */
  async put(exchange: KeyExchange): Promise<void> {
    await this.#serve(exchange, this.#putMetrics, this.#onPut);
  }

  /** Serves HEAD too. */
  async get(exchange: KeyExchange): Promise<void> {
    await this.#serve(exchange, this.#getMetrics, this.#onGet);
  }

  async delete(exchange: KeyExchange): Promise<void> {
    await this.#serve(exchange, this.#deleteMetrics, this.#onDelete);
  }

  async #serve(exchange: KeyExchange, metrics: OperationMetrics, handler: Handler): Promise<void> {
    let code: RequestCode;
    try {
      code = await handler(exchange);
    } catch (error) {
      const answer = this.#failureOf(error, exchange.requestId);
      answerFailure(exchange, answer);
      code = answer.code;
    }
    metrics.record(code, exchange.arrivedMs);
  }

  #failureOf(error: unknown, requestId: string): Failure {
    if (error instanceof FailureException) return error.failure;
    this.#log.event('error', 'request failed', { requestId, err: error });
    return failure('INTERNAL', 'An unexpected error; the request id finds it in the log.');
  }

  readonly #onPut: Handler = async (exchange) => {
    const { key, query } = decode(exchange, PUT_PARAMETERS);
    const attributes = decodePut(exchange, query);
    const read = exchange.readValue();
    const value = read instanceof Promise ? await read : read;
    if (!(value instanceof Uint8Array)) return answerFailure(exchange, value);
    const put: PutRequest = { ...attributes, key, value };
    const result = await this.#kv.put(put, timeoutOf(query));
    if (result.kind === 'failure') return answerFailure(exchange, result);
    answerPut(exchange, put, result);
    return 'OK';
  };

  readonly #onGet: Handler = async (exchange) => {
    const { key, query } = decode(exchange, GET_PARAMETERS);
    const get = decodeGet(key, query);
    const conditions = readConditions(exchange);
    const entryView = wantsEntry(exchange.field('accept'));
    const result = await this.#kv.get(get, timeoutOf(query));
    if (result.kind === 'failure') return answerFailure(exchange, result);
    const verdict = evaluateRead(conditions, result.entry.modRevision);
    if (verdict === 'failed') {
      const { modRevision, version } = result.entry;
      const extra = { mod_revision: modRevision, version, revision: result.revision };
      throw new FailureException(failure('CONDITION_FAILED', 'If-Match does not hold.', { extra }));
    }
    if (verdict === 'not-modified') answerNotModified(exchange, result);
    else if (entryView) answerEntry(exchange, get, result);
    else answerValue(exchange, result);
    return 'OK';
  };

  readonly #onDelete: Handler = async (exchange) => {
    const { key, query } = decode(exchange, DELETE_PARAMETERS);
    const strict = booleanOf(query, 'strict');
    const request = decodeDelete(key, exchange, query);
    const result = await this.#kv.delete(request, timeoutOf(query), { strict });
    if (result.kind === 'failure') return answerFailure(exchange, result);
    answerDeleted(exchange, result);
    return 'OK';
  };
}

function decode(
  { target }: KeyExchange,
  parameters: ParameterTable,
): { readonly key: Uint8Array; readonly query: Query } {
  const { key, query } = orThrow(parseKeyTarget(target));
  return { key, query: orThrow(parseQuery(query, parameters)) };
}

function decodePut(fields: KeyFields, query: Query): Omit<PutRequest, 'key' | 'value'> {
  if (query.get('lease') !== undefined) {
    throw new FailureException(failure('UNIMPLEMENTED', 'Leases do not exist yet.'));
  }
  const attributes = {
    kind: 'put' as const,
    namespace: namespaceOf(query),
    conditions: writeConditions(fields, integerOf(query, 'if_version')),
    principal: ANONYMOUS,
    idempotencyKey: fields.field('idempotency-key'),
    contentType: fields.field('content-type') ?? DEFAULT_CONTENT_TYPE,
    tags: tagsOf(query),
    ttlMs: durationOf(query, 'ttl'),
  };
  refuseCodings(fields);
  return attributes;
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

function decodeDelete(key: Uint8Array, fields: KeyFields, query: Query): DeleteRequest {
  return {
    kind: 'delete',
    namespace: namespaceOf(query),
    key,
    conditions: writeConditions(fields, integerOf(query, 'if_version')),
    principal: ANONYMOUS,
    idempotencyKey: fields.field('idempotency-key'),
  };
}

/** Codings are neither undone nor stored unseen: the bytes of a GET are the bytes of the PUT. */
function refuseCodings(fields: KeyFields): void {
  const coding = fields.field('content-encoding');
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    const detail = 'Content-Encoding is not supported: the value is the body as sent.';
    throw new FailureException(failure('INVALID_ARGUMENT', detail));
  }
  if (fields.field('content-range') !== undefined) {
    const detail = 'Content-Range is not supported: a PUT replaces the whole value.';
    throw new FailureException(failure('INVALID_ARGUMENT', detail));
  }
}
