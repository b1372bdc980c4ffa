/** A client of the gateway's gRPC port over the same proto file, with promises and plain objects. */
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs/minimal.js';
import { loadProto } from '../src/grpc/service-definition.ts';

export interface CallOptions {
  readonly deadline?: Date;
  readonly metadata?: Metadata;
}

export class GrpcTestClient {
  readonly #client: Client;
  readonly #service = loadProto().service;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  call<Reply = Record<string, unknown>>(
    method: string,
    request: object,
    options: CallOptions = {},
  ): Promise<Reply> {
    const definition = this.#service[method];
    if (definition === undefined) throw new Error(`no method ${method}`);
    const { metadata = new Metadata(), deadline } = options;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize as (value: object) => Buffer,
        definition.responseDeserialize as (bytes: Buffer) => Reply,
        request,
        metadata,
        deadline === undefined ? {} : { deadline },
        (error, reply) => (error === null ? resolve(reply as Reply) : reject(error)),
      );
    });
  }

  /** Sends bytes as the message of a method. */
  raw(path: string, bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const same = (value: Buffer): Buffer => value;
      this.#client.makeUnaryRequest(path, same, same, bytes, (error, reply) =>
        error === null ? resolve(reply as Buffer) : reject(error),
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** The ErrorInfo in a `google.rpc.Status`, read by field number. */
export interface ErrorDetails {
  readonly code: number;
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Throws for a status that the client made up itself, as when its own deadline passed first. */
export function errorDetails(error: ServiceError): ErrorDetails {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (bytes === undefined) throw new Error(`a status without details: ${error.message}`);
  const found = { code: 0, reason: '', domain: '', metadata: {} as Record<string, string> };
  eachField(bytes as Buffer, (field, reader) => {
    if (field === 1) found.code = reader.int32();
    else if (field === 3) readAny(reader.bytes(), found);
    else return false;
    return true;
  });
  return found;
}

function readAny(
  bytes: Uint8Array,
  found: { reason: string; domain: string; metadata: Record<string, string> },
): void {
  let type = '';
  let value: Uint8Array = new Uint8Array();
  eachField(bytes, (field, reader) => {
    if (field === 1) type = reader.string();
    else value = reader.bytes();
    return true;
  });
  if (type !== 'type.googleapis.com/google.rpc.ErrorInfo') return;
  eachField(value, (field, reader) => {
    if (field === 1) found.reason = reader.string();
    else if (field === 2) found.domain = reader.string();
    else {
      const pair: string[] = [];
      eachField(reader.bytes(), (_field, entry) => pair.push(entry.string()) > 0);
      found.metadata[pair[0] ?? ''] = pair[1] ?? '';
    }
    return true;
  });
}

/** `read` answers false for a field it does not know. */
function eachField(
  bytes: Uint8Array,
  read: (field: number, reader: protobuf.Reader) => boolean,
): void {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (!read(tag >>> 3, reader)) reader.skipType(tag & 7);
  }
}
