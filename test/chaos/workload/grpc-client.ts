/** The gRPC API over one connection of one client. */
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { DeleteOperation, GetOperation, PutOperation, WriteCondition } from '@kvstore/testing';
import { loadProto } from '../../../apps/gateway/src/grpc/service-definition.ts';
import { type ErrorDetails, errorDetails } from '../../../apps/gateway/test-support/grpc-client.ts';
import {
  conditionFailed,
  type PutCall,
  REQUEST_TIMEOUT_MS,
  type StoreClient,
  unanswered,
  undecided,
} from './store-client.ts';

/** A gateway that is back is found again quickly; the library waits for seconds. */
const CHANNEL_OPTIONS = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
  // Why: a connection of its own, as another machine would have.
  'grpc.use_local_subchannel_pool': 1,
};

const { service } = loadProto();

interface Entry {
  readonly version: number;
  readonly revision: number;
  readonly create_revision: number;
}

export class GrpcClient implements StoreClient {
  readonly protocol = 'grpc';
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  async put({
    key,
    value,
    condition,
    idempotencyKey = '',
  }: PutCall): Promise<PutOperation['result']> {
    const conditions = conditionsOf(condition);
    const bytes = Buffer.from(value);
    const request = { key, value: bytes, idempotency_key: idempotencyKey, ...conditions };
    const reply = await this.#call<Entry>('Put', request).catch(refused);
    if ('kind' in reply) return reply;
    const { version, revision, create_revision: createRevision } = reply;
    return { kind: 'written', version, revision, createRevision };
  }

  async delete(key: string, condition?: WriteCondition): Promise<DeleteOperation['result']> {
    const request = { key, ...conditionsOf(condition) };
    type Reply = { readonly revision: number; readonly existed: boolean };
    const reply = await this.#call<Reply>('Delete', request).catch(refused);
    return 'kind' in reply ? reply : { kind: 'deleted', ...reply };
  }

  async get(key: string): Promise<GetOperation['result']> {
    type Reply = Entry & { readonly value: Buffer; readonly mod_revision: number };
    try {
      const reply = await this.#call<Reply>('Get', { key });
      return {
        kind: 'found',
        value: reply.value.toString(),
        version: reply.version,
        modRevision: reply.mod_revision,
        createRevision: reply.create_revision,
        revision: reply.revision,
      };
    } catch (error) {
      const details = detailsOf(error as ServiceError);
      if (details?.reason === 'KEY_NOT_FOUND') {
        return { kind: 'not-found', revision: Number(details.metadata['revision']) };
      }
      const { code } = refused(error) as { readonly code: string };
      return { kind: 'not-applied', code };
    }
  }

  close(): void {
    this.#client.close();
  }

  #call<Reply>(method: string, request: object): Promise<Reply> {
    const definition = service[method];
    if (definition === undefined) throw new Error(`no method ${method}`);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize as (value: object) => Buffer,
        definition.responseDeserialize as (bytes: Buffer) => Reply,
        request,
        { deadline: Date.now() + REQUEST_TIMEOUT_MS },
        (error, reply) => (error === null ? resolve(reply as Reply) : reject(error)),
      );
    });
  }
}

function conditionsOf(condition: WriteCondition | undefined): object {
  if (condition === undefined) return {};
  if (condition.kind === 'absent') return { conditions: { exists: false } };
  return { conditions: { mod_revision_in: [condition.modRevision] } };
}

/** What the service itself says; undefined for a status that the library made up. */
function detailsOf(error: ServiceError): ErrorDetails | undefined {
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
  return bytes === undefined ? undefined : errorDetails(error);
}

function refused(thrown: unknown) {
  const error = thrown as ServiceError;
  const details = detailsOf(error);
  if (details === undefined) return unanswered(withoutDetails(error));
  if (details.reason === 'CONDITION_FAILED') {
    return conditionFailed((name) => details.metadata[name]);
  }
  return undecided(details.reason);
}

/** A call that no connection was there for was not sent; any other may have been. */
function withoutDetails({ code, details }: ServiceError): { readonly code: string } {
  const neverSent = code === status.UNAVAILABLE && details.startsWith('No connection established');
  return { code: neverSent ? 'ECONNREFUSED' : `${status[code]}: ${details}` };
}
