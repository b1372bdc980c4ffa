/**
 * A request's header fields as a call (gRPC, PROTOCOL-HTTP2.md): the method, the time it may take, its
 * metadata, or the answer that refuses it. Shared by all calls with the same header block.
 */
import { encodeHeaders } from '../hpack/header-encoder.ts';
import type { HeaderField } from '../hpack/static-table.ts';
import { Metadata } from './metadata.ts';
import { onlyTrailers } from './response.ts';
import { StatusCode } from './status.ts';
import { parseTimeout } from './timeout.ts';

export type CallHead<Method> =
  | {
      readonly kind: 'call';
      readonly method: Method;
      /** Undefined: the caller set no limit. */
      readonly timeoutMs: number | undefined;
      readonly metadata: Metadata;
    }
  | {
      readonly kind: 'refused';
      /** Header block of the whole response. */
      readonly block: Buffer;
    };

const CONTENT_TYPE = /^application\/grpc($|[+;])/;

export function interpretHead<Method>(
  fields: readonly HeaderField[],
  methods: ReadonlyMap<string, Method>,
): CallHead<Method> {
  const metadata = new Metadata(fields);
  if (metadata.get(':method') !== 'POST') return refusedByHttp('405');
  if (!CONTENT_TYPE.test(metadata.get('content-type') ?? '')) return refusedByHttp('415');
  const path = metadata.get(':path') ?? '';
  const method = methods.get(path);
  if (method === undefined) {
    return refused(StatusCode.unimplemented, 'The server does not implement this method.');
  }
  const timeout = metadata.get('grpc-timeout');
  if (timeout === undefined) return { kind: 'call', method, timeoutMs: undefined, metadata };
  const timeoutMs = parseTimeout(timeout);
  if (timeoutMs === undefined)
    return refused(StatusCode.invalidArgument, 'Malformed grpc-timeout.');
  return { kind: 'call', method, timeoutMs, metadata };
}

function refused(code: number, message: string): { kind: 'refused'; block: Buffer } {
  return { kind: 'refused', block: onlyTrailers({ code, message }) };
}

/** The peer speaks no gRPC. */
function refusedByHttp(status: string): { kind: 'refused'; block: Buffer } {
  const fields = [{ name: ':status', value: status }];
  if (status === '405') fields.push({ name: 'allow', value: 'POST' });
  return { kind: 'refused', block: encodeHeaders(fields) };
}
