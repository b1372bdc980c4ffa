/**
 * A `Failure` as a gRPC status: the code of the error table, the detail as the message, and a
 * `google.rpc.Status` in `grpc-status-details-bin` with an ErrorInfo (the code as its reason, further
 * members as metadata) and a RetryInfo when there is a time to wait.
 */
import { errorRow, type Failure } from '@kvstore/contract';
import type { Status } from '@kvstore/grpc';
import { REQUEST_ID_HEADER } from '@kvstore/nest-kit';
import { ProtoWriter } from './proto-writer.ts';

const DOMAIN = 'kvstore';
const TYPE_PREFIX = 'type.googleapis.com/google.rpc.';

export function grpcFailure(failure: Failure, requestId: string): Status {
  return {
    code: errorRow(failure.code).grpc,
    message: failure.detail,
    metadata: {
      [REQUEST_ID_HEADER]: requestId,
      'grpc-status-details-bin': statusBytes(failure, requestId),
    },
  };
}

const shared = new ProtoWriter();

/** Field numbers are those of google/rpc/status.proto and error_details.proto. */
function statusBytes(failure: Failure, requestId: string): Buffer {
  const status = shared.clear().uint(1, errorRow(failure.code).grpc).text(2, failure.detail);
  detail(status, 'ErrorInfo', (info) => {
    info.text(1, failure.code).text(2, DOMAIN);
    for (const [name, value] of Object.entries({ request_id: requestId, ...failure.extra })) {
      info.message(3, (entry) => entry.entryText(1, name).entryText(2, String(value)));
    }
  });
  const { retryAfterMs } = failure;
  if (retryAfterMs !== undefined) {
    const millis = retryAfterMs % 1_000;
    detail(status, 'RetryInfo', (info) =>
      info.message(1, (delay) =>
        delay.uint(1, (retryAfterMs - millis) / 1_000).uint(2, Math.round(millis * 1_000_000)),
      ),
    );
  }
  return status.finish();
}

/** Appends to `Status.details` one google.protobuf.Any. */
function detail(status: ProtoWriter, type: string, write: (value: ProtoWriter) => void): void {
  status.message(3, (any) => any.text(1, TYPE_PREFIX + type).message(2, write));
}
