/**
 * Loads `proto/kvstore/v1/kvstore.proto`, for the service and for reflection. A request that is not the
 * message it should be becomes `MALFORMED` instead of an exception, which grpc-js would answer with
 * INTERNAL.
 */
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { assert } from '@kvstore/std';

const PROTO_ROOT = new URL('../../../../proto', import.meta.url);
const PROTO_FILE = 'kvstore/v1/kvstore.proto';
const SERVICE = 'kvstore.v1.KVStore';

export const SERVICE_NAME = SERVICE;
export const MALFORMED = Symbol('malformed');

export function loadProto(): {
  readonly package: PackageDefinition;
  readonly service: ServiceDefinition;
} {
  const definition = loadSync(PROTO_FILE, {
    includeDirs: [fileURLToPath(PROTO_ROOT)],
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
  });
  const service = definition[SERVICE] as ServiceDefinition | undefined;
  assert(service !== undefined, `${PROTO_FILE} has no service ${SERVICE}`);
  return { package: definition, service: tolerant(service) };
}

function tolerant(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        const message = method.requestDeserialize(bytes) as object;
        return textsOf(message).every((text) => isFaithful(text, bytes)) ? message : MALFORMED;
      } catch {
        return MALFORMED;
      }
    };
    return [name, { ...method, requestDeserialize }] as const;
  });
  return Object.fromEntries(methods);
}

const REPLACEMENT = '\ufffd';

/** The decoder turns bytes that are not UTF-8 into U+FFFD; two different keys must not become one. */
function isFaithful(text: string, bytes: Buffer): boolean {
  return !text.includes(REPLACEMENT) || bytes.includes(text);
}

function textsOf(message: object): readonly string[] {
  return Object.values(message).flatMap((value: unknown) => {
    if (typeof value === 'string') return value;
    const nested = typeof value === 'object' && value !== null && !Buffer.isBuffer(value);
    return nested ? textsOf(value) : [];
  });
}
