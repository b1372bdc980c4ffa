/**
 * A `Failure` as a gRPC status: the code of the error table, the detail as the message, and a
 * `google.rpc.Status` in `grpc-status-details-bin` with an ErrorInfo (the code as its reason, further
 * members as metadata) and a RetryInfo when there is a time to wait.
 */
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { errorRow, type Failure } from '@kvstore/contract';
import { REQUEST_ID_HEADER } from '@kvstore/nest-kit';
import protobuf from 'protobufjs/minimal.js';

const DOMAIN = 'kvstore';
const TYPE_PREFIX = 'type.googleapis.com/google.rpc.';

export function grpcFailure(failure: Failure, requestId: string): Partial<ServiceError> {
  const metadata = new Metadata();
  metadata.set(REQUEST_ID_HEADER, requestId);
  metadata.set('grpc-status-details-bin', statusBytes(failure, requestId));
  return { code: errorRow(failure.code).grpc, details: failure.detail, metadata };
}

/** Field numbers are those of google/rpc/status.proto and error_details.proto. */
function statusBytes(failure: Failure, requestId: string): Buffer {
  const status = protobuf.Writer.create();
  status.uint32(tag(1, 0)).int32(errorRow(failure.code).grpc);
  status.uint32(tag(2, 2)).string(failure.detail);
  any(status, 'ErrorInfo', (info) => {
    info.uint32(tag(1, 2)).string(failure.code);
    info.uint32(tag(2, 2)).string(DOMAIN);
    for (const [name, value] of Object.entries({ request_id: requestId, ...failure.extra })) {
      info.uint32(tag(3, 2)).fork();
      info.uint32(tag(1, 2)).string(name).uint32(tag(2, 2)).string(String(value)).ldelim();
    }
  });
  const { retryAfterMs } = failure;
  if (retryAfterMs !== undefined) {
    any(status, 'RetryInfo', (info) => {
      info.uint32(tag(1, 2)).fork();
      info.uint32(tag(1, 0)).int32(Math.trunc(retryAfterMs / 1_000));
      info
        .uint32(tag(2, 0))
        .int32((retryAfterMs % 1_000) * 1_000_000)
        .ldelim();
    });
  }
  return Buffer.from(status.finish());
}

/** Appends to `Status.details` one google.protobuf.Any. */
function any(status: protobuf.Writer, type: string, write: (value: protobuf.Writer) => void): void {
  const value = protobuf.Writer.create();
  write(value);
  status.uint32(tag(3, 2)).fork();
  status.uint32(tag(1, 2)).string(TYPE_PREFIX + type);
  status.uint32(tag(2, 2)).bytes(value.finish()).ldelim();
}

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}
