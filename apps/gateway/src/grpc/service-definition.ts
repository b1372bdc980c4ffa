/**
 * Loads `proto/kvstore/v1/kvstore.proto`, for reflection and for messages that need not be fast. Those of
 * Put, Get and Delete are read and written by hand (`messages.ts`, `encode.ts`); a test holds both alike.
 */
import { fileURLToPath } from 'node:url';
import { loadSync, type PackageDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { assert } from '@kvstore/std';

const PROTO_ROOT = new URL('../../../../proto', import.meta.url);
const PROTO_FILE = 'kvstore/v1/kvstore.proto';
export const SERVICE_NAME = 'kvstore.v1.KVStore';

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
  const service = definition[SERVICE_NAME] as ServiceDefinition | undefined;
  assert(service !== undefined, `${PROTO_FILE} has no service ${SERVICE_NAME}`);
  return { package: definition, service };
}
