/** etcd's v3 API: gRPC, and the JSON gateway over it, whose bytes are base64. */
import { type Dialect, VALUE } from './dialect.ts';
import { loadService } from './proto-method.ts';

const method = loadService('etcd.proto', import.meta.dirname, 'etcdserverpb.KV');
const base64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64');
const VALUE_BASE64 = base64(VALUE);

const put = method({
  method: 'Put',
  request: (key) => ({ key: Buffer.from(key), value: VALUE }),
  value: () => undefined,
});
const get = method<{ readonly kvs?: readonly { readonly value: Buffer }[] }>({
  method: 'Range',
  request: (key) => ({ key: Buffer.from(key) }),
  value: (reply) => reply.kvs?.[0]?.value,
});

export const etcdDialect: Dialect = {
  answers: {
    metric: 'grpc_server_handled_total',
    label: 'grpc_service="etcdserverpb.KV"',
    outcomeLabel: 'grpc_code',
  },
  rest: (operation, key) =>
    operation === 'put'
      ? {
          method: 'POST',
          path: '/v3/kv/put',
          body: JSON.stringify({ key: base64(key), value: VALUE_BASE64 }),
        }
      : { method: 'POST', path: '/v3/kv/range', body: JSON.stringify({ key: base64(key) }) },
  restValue(body) {
    const reply = JSON.parse(body.toString()) as { readonly kvs?: readonly { value: string }[] };
    const value = reply.kvs?.[0]?.value;
    return value === undefined ? undefined : Buffer.from(value, 'base64');
  },
  grpc: (operation) => (operation === 'put' ? put : get),
};
