/** Our own API. */
import { join } from 'node:path';
import { type Dialect, VALUE } from './dialect.ts';
import { loadService } from './proto-method.ts';

const method = loadService(
  'kvstore/v1/kvstore.proto',
  join(import.meta.dirname, '../../proto'),
  'kvstore.v1.KVStore',
);
const put = method({
  method: 'Put',
  request: (key) => ({ key, value: VALUE }),
  value: () => undefined,
});
const get = method<{ readonly value?: Buffer }>({
  method: 'Get',
  request: (key) => ({ key }),
  value: (reply) => reply.value,
});

export const kvstoreDialect: Dialect = {
  answers: {
    metric: 'kvstore_request_duration_seconds_count',
    label: '',
    outcomeLabel: 'code',
  },
  rest: (operation, key) =>
    operation === 'put'
      ? { method: 'PUT', path: `/api/v1/keys/${key}`, body: VALUE.toString() }
      : { method: 'GET', path: `/api/v1/keys/${key}`, body: '' },
  restValue: (body) => body,
  grpc: (operation) => (operation === 'put' ? put : get),
};
