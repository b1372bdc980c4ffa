/** The messages of the gRPC contract, from bytes of a client that means harm. */
import { join } from 'node:path';
import { hostileBytes } from '@kvstore/testing';
import { readDelete, readEmpty, readGet, readMember, readPut } from './messages.ts';
import { loadProto } from './service-definition.ts';

const corpus = join(import.meta.dirname, '../../testdata/hostile');
const { service } = loadProto();
const request = (method: string, message: object): Uint8Array =>
  Uint8Array.from(service[method]?.requestSerialize(message) ?? []);

const onKey = {
  namespace: 'default',
  key: 'kéy',
  conditions: {
    exists: true,
    version: 300,
    mod_revision_in: [1, 2 ** 40],
    mod_revision_not_in: [3],
  },
  idempotency_key: 'once',
};
const messages = [
  [
    'put request',
    readPut,
    request('Put', {
      ...onKey,
      ...{ value: Buffer.from('value'), content_type: 'text/plain', ttl_seconds: -2 },
      tags: { a: 'b', c: '' },
    }),
  ],
  ['get request', readGet, request('Get', { ...onKey, min_revision: 2 ** 50, revision: 7 })],
  ['delete request', readDelete, request('Delete', { ...onKey, strict: true })],
  ['member request', readMember, request('MemberPriority', { node: 'node-1', priority: 9 })],
  ['empty request', readEmpty, Uint8Array.of(0x7b, 0x78, 1, 0x7c, 0x7a, 1, 0x61)],
] as const;

// Any field may be missing, come again, or be one that is not known.
for (const [name, read, sample] of messages) {
  hostileBytes<unknown>(name, {
    samples: [sample],
    decode: (bytes) => read(Buffer.from(bytes)),
    isOpenEnded: true,
    corpus,
  });
}
