/** Every body decodes to what was encoded, and refuses every cut with a `DecodeError`. */
import { chain, DecodeError, logIndex, logTimeMs, nodeId, revision, term } from '@kvstore/std';
import { decodeBeacon, encodeBeacon } from './beacon.ts';
import { clusterTagOf, decodeControl, encodeControl } from './control.ts';
import {
  decodeArchived,
  decodeLive,
  decodePull,
  decodePullReply,
  encodeArchived,
  encodeLive,
  encodePull,
  encodePullReply,
} from './entries.ts';
import { decodeMark, encodeMark } from './mark.ts';
import {
  decodeOutcomesFrame,
  decodeOutcomesQuery,
  encodeOutcomesFrame,
  encodeOutcomesQuery,
} from './outcomes.ts';
import { decodePropose, decodeProposeReply, encodePropose, encodeProposeReply } from './propose.ts';
import { decodeReadIndexReply, encodeReadIndexReply } from './read-index.ts';
import { decodeRead, decodeReadReply, encodeRead, encodeReadReply } from './read.ts';
import { busPermissions, Subjects } from './subjects.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const route = { home: nodeId('node-1'), gateway: 'gateway-1' };
const entry = {
  index: logIndex(7),
  term: term(2),
  kind: 1 as const,
  chain: chain(99),
  body: bytes('body'),
};

function round<Value>(
  name: string,
  values: readonly Value[],
  encode: (value: Value) => Uint8Array,
  decode: (body: Uint8Array) => Value,
): void {
  test(`${name} round-trips and refuses every cut`, () => {
    for (const value of values) {
      const encoded = encode(value);
      expect(decode(encoded)).toEqual(value);
      for (let length = 0; length < encoded.length; length++) {
        expect(() => decode(encoded.subarray(0, length))).toThrow(DecodeError);
      }
      expect(() => decode(Buffer.concat([encoded, Buffer.from([1])]))).toThrow(DecodeError);
    }
  });
}

round('propose', [{ route, batch: bytes('batch') }], encodePropose, decodePropose);
round(
  'a propose reply',
  [
    { kind: 'committed', index: logIndex(3) },
    { kind: 'not-leader', leader: nodeId('node-2') },
    { kind: 'not-leader', leader: undefined },
    { kind: 'refused', reason: 2 },
    { kind: 'unknown' },
  ],
  encodeProposeReply,
  decodeProposeReply,
);
round(
  'a read-index reply',
  [
    { kind: 'granted', index: logIndex(3) },
    { kind: 'not-leader', leader: nodeId('node-2') },
    { kind: 'overloaded' },
  ],
  encodeReadIndexReply,
  decodeReadIndexReply,
);
round(
  'a live entry',
  [
    { clusterTag: 2 ** 52 - 1, entry, routes: [route, route] },
    { clusterTag: 0, entry, routes: [] },
  ],
  encodeLive,
  decodeLive,
);
round('pull', [{ from: logIndex(4), maxBytes: 1000 }], encodePull, decodePull);
round(
  'a pull reply',
  [
    {
      clusterTag: 2 ** 52 - 1,
      firstIndex: logIndex(3),
      commitIndex: logIndex(8),
      entries: [entry, { ...entry, kind: 0 as const }],
    },
  ],
  encodePullReply,
  decodePullReply,
);
round(
  'archived entries',
  [{ commitIndex: logIndex(8), entries: [entry, { ...entry, kind: 0 as const }] }],
  encodeArchived,
  decodeArchived,
);
round(
  'a mark',
  [
    {
      clusterTag: 2 ** 52 - 1,
      commitIndex: logIndex(4),
      chain: chain(5),
      cutPoint: logIndex(3),
      flushTo: logIndex(2),
      archiveFrom: logIndex(2),
      epoch: 2,
      members: [nodeId('node-1'), nodeId('node-4')],
    },
    {
      clusterTag: 1,
      commitIndex: logIndex(0),
      chain: chain(0),
      cutPoint: logIndex(0),
      flushTo: logIndex(0),
      archiveFrom: logIndex(0),
      epoch: 0,
      members: [],
    },
  ],
  encodeMark,
  decodeMark,
);
round(
  'a beacon',
  [
    {
      clusterTag: 7,
      applied: logIndex(4),
      durable: logIndex(2),
      chain: chain(5),
      nextDue: logTimeMs(6),
      healthy: true,
      wallMs: 1_700_000_000_000,
      needs: logIndex(3),
    },
    {
      clusterTag: 0,
      applied: logIndex(0),
      durable: logIndex(0),
      chain: chain(0),
      nextDue: undefined,
      healthy: false,
      wallMs: 0,
    },
  ],
  encodeBeacon,
  decodeBeacon,
);
round(
  'outcomes',
  [{ session: 9, batches: [{ batchNo: 1, status: 1, bytes: bytes('x') }] }],
  encodeOutcomesFrame,
  decodeOutcomesFrame,
);
round(
  'an outcomes query',
  [{ session: 9, minIndex: logIndex(4), batches: [1, 2] }],
  encodeOutcomesQuery,
  decodeOutcomesQuery,
);
round(
  'a read',
  [
    {
      minIndex: logIndex(1),
      minRevision: revision(2),
      waitMs: 3,
      reads: [
        { namespace: 'default', key: bytes('k'), atRevision: undefined },
        { namespace: 'other', key: bytes('l'), atRevision: revision(4) },
      ],
    },
  ],
  encodeRead,
  decodeRead,
);
round(
  'a read reply',
  [{ status: 1, revision: revision(2), answers: [{ kind: 1, bytes: bytes('r') }] }],
  encodeReadReply,
  decodeReadReply,
);

test('numbers outside a closed set are refused', () => {
  expect(() => decodeProposeReply(new Uint8Array([9]))).toThrow(DecodeError);
  expect(() => decodeProposeReply(new Uint8Array([3, 77]))).toThrow(DecodeError);
  expect(() => decodeReadIndexReply(new Uint8Array([9]))).toThrow(DecodeError);
  expect(() =>
    decodeReadReply(encodeReadReply({ status: 9 as 1, revision: revision(0), answers: [] })),
  ).toThrow(DecodeError);
});

test('a control body that is not JSON is refused', () => {
  expect(decodeControl(encodeControl({ process: 'x' }))).toEqual({ process: 'x' });
  expect(() => decodeControl(bytes('{'))).toThrow(DecodeError);
  expect(() => decodeControl(new Uint8Array([0xff]))).toThrow(DecodeError);
});

test('a control body that is no object is no answer, and no word of the one who asked', () => {
  for (const body of [null, 1, 'no-answer', []]) {
    expect(() => decodeControl(encodeControl(body))).toThrow(DecodeError);
  }
});

test('the tag of a cluster follows from its id and fits a frame', () => {
  expect(clusterTagOf('00000000-0000-2fff-0000-000000000000')).toBe(2);
  expect(clusterTagOf('ffffffff-ffff-4fff-bfff-ffffffffffff')).toBe(2 ** 52 - 12);
});

test('a role may say and hear only what its work needs', () => {
  const of = (role: 'consensus' | 'storage' | 'gateway', name: string) =>
    busPermissions({ cluster: 'dev', group: 'g0', role, name });
  const gateway = of('gateway', 'gateway-1');
  expect(gateway.publish).toContain('kv.dev.g0.consensus.*.propose');
  expect(gateway.publish.some((subject) => /raft|vote|mark|live|beacon|log/.test(subject))).toBe(
    false,
  );
  expect(gateway.subscribe).toContain('kv.dev.g0.gateway.gateway-1.*');
  expect(gateway.subscribe).toContain('kv.dev.inbox.gateway.gateway-1.>');
  const storage = of('storage', 'node-1');
  expect(storage.publish.some((subject) => /mark|live|propose|raft|vote/.test(subject))).toBe(
    false,
  );
  expect(storage.subscribe.every((subject) => !subject.includes('consensus'))).toBe(true);
  expect(of('consensus', 'node-1').subscribe).not.toContain('kv.dev.g0.consensus.node-2.*');
});

test('subjects name cluster and group, and take no token that could widen them', () => {
  const subjects = new Subjects('dev', 'g0');
  expect(subjects.live).toBe('kv.dev.g0.live');
  expect(subjects.consensus(nodeId('node-1'), 'propose')).toBe(
    'kv.dev.g0.consensus.node-1.propose',
  );
  expect(subjects.storage(nodeId('node-1'), 'read')).toBe('kv.dev.g0.storage.node-1.read');
  expect(subjects.gatewayOutcomes('gateway-1')).toBe('kv.dev.g0.gateway.gateway-1.outcomes');
  for (const bad of ['', '*', 'a.b', '>', 'a b', 'A']) {
    expect(() => new Subjects(bad, 'g0')).toThrow();
    expect(() => subjects.gatewayOutcomes(bad)).toThrow();
  }
});
