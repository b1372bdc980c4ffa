/** Every decoder of this lib, from bytes that nobody should have sent. */
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import {
  ByteWriter,
  chain,
  DecodeError,
  logIndex,
  logTimeMs,
  nodeId,
  revision,
  term,
} from '@kvstore/std';
import { hostileBytes, type HostileDecoder } from '@kvstore/testing';
import {
  appendCommand,
  beginBatch,
  decodeBatch,
  decodeConfigurationBody,
  decodeEntryBody,
  encodeConfigurationBody,
  encodeEntryBody,
  isProposableBatch,
} from './batch.ts';
import { decodeBeacon, encodeBeacon } from './beacon.ts';
import { decodeCommand, encodeCommand, FeatureLevelError } from './command-codec.ts';
import { decodeControl, encodeControl } from './control.ts';
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
import { FrameCodec, FrameKind } from './frame.ts';
import { decodeHello, type Hello } from './hello.ts';
import { Limits } from './limits.ts';
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
import {
  decodeSnapshotReply,
  decodeSnapshotRequest,
  encodeSnapshotReply,
  encodeSnapshotRequest,
} from './snapshot.ts';

const corpus = join(import.meta.dirname, '../testdata/hostile');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const route = { home: nodeId('node-1'), gateway: 'gateway-1' };
const position = { index: logIndex(7), term: term(2), chain: chain(99) };
const entry = { ...position, kind: 1 as const, body: bytes('body') };

/** Also that each of the values decodes to what was encoded. */
function messages<Value>(
  name: string,
  values: readonly Value[],
  encode: (value: Value) => Uint8Array,
  decode: (body: Uint8Array) => Value,
  options: Partial<HostileDecoder<Value>> = {},
): void {
  test(`${name} decodes to what was encoded`, () => {
    for (const value of values) expect(decode(encode(value))).toEqual(value);
  });
  hostileBytes(name, { samples: values.map(encode), decode, encode, corpus, ...options });
}

messages('propose', [{ route, batch: bytes('batch') }], encodePropose, decodePropose);
messages(
  'propose reply',
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
messages(
  'read-index reply',
  [
    { kind: 'granted', index: logIndex(3) },
    { kind: 'not-leader', leader: nodeId('node-2') },
    { kind: 'overloaded' },
  ],
  encodeReadIndexReply,
  decodeReadIndexReply,
);
messages(
  'live',
  [
    { clusterTag: 2 ** 52 - 1, entry, routes: [route, route] },
    { clusterTag: 0, entry, routes: [] },
  ],
  encodeLive,
  decodeLive,
);
messages('pull', [{ from: logIndex(4), maxBytes: 1000 }], encodePull, decodePull);
messages(
  'pull reply',
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
messages(
  'archived',
  [{ commitIndex: logIndex(8), entries: [entry, { ...entry, kind: 0 as const }] }],
  encodeArchived,
  decodeArchived,
);
messages(
  'mark',
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
messages(
  'beacon',
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
      needs: undefined,
    },
  ],
  encodeBeacon,
  decodeBeacon,
);
messages(
  'outcomes',
  [{ session: 9, batches: [{ batchNo: 1, status: 1, bytes: bytes('x') }] }],
  encodeOutcomesFrame,
  decodeOutcomesFrame,
);
messages(
  'outcomes query',
  [{ session: 9, minIndex: logIndex(4), batches: [1, 2] }],
  encodeOutcomesQuery,
  decodeOutcomesQuery,
);
messages(
  'read',
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
messages(
  'read reply',
  [{ status: 1, revision: revision(2), answers: [{ kind: 1, bytes: bytes('r') }] }],
  encodeReadReply,
  decodeReadReply,
);
messages(
  'snapshot request',
  [
    { kind: 'open', clusterTag: 2 ** 52 - 1, minIndex: logIndex(12) },
    { kind: 'read', transfer: 3, file: 0, offset: 2 ** 40, length: Limits.snapshotPieceBytesMax },
    { kind: 'close', transfer: 3 },
  ],
  encodeSnapshotRequest,
  decodeSnapshotRequest,
);
messages(
  'snapshot reply',
  [
    { kind: 'opened', transfer: 3, position, manifestBytes: 400 },
    { kind: 'piece', bytes: bytes('piece') },
    { kind: 'piece', bytes: bytes('') },
    { kind: 'refused', reason: 4 },
  ],
  encodeSnapshotReply,
  decodeSnapshotReply,
);
messages<object>(
  'control',
  [{ process: 'x', member: { disk: 'd' } }],
  encodeControl,
  decodeControl,
  {
    isOpenEnded: true,
    isLenient: true,
  },
);

messages<Hello>(
  'hello',
  [
    { role: 'gateway', name: 'gateway-1', process: '0f', running: true },
    {
      role: 'consensus',
      name: 'node-1',
      process: '0f',
      running: false,
      member: {
        disk: 'a',
        clusterId: 'c',
        founders: { [nodeId('node-1')]: 'a' },
        admitted: { [nodeId('node-2')]: 'b' },
        removed: [nodeId('node-3')],
      },
    },
  ],
  encodeControl,
  decodeHello,
  { isLenient: true },
);

const header = { stamp: logTimeMs(1_234), epoch: 7 };
type Encodable = Parameters<typeof encodeCommand>[1];
const onKey = {
  namespace: 'default',
  key: bytes('key'),
  conditions: [
    { kind: 'mod-revision-in' as const, revisions: [revision(4), revision(5)] },
    { kind: 'version-is' as const, version: 3 },
    { kind: 'absent' as const },
  ],
  principal: 'anonymous',
  idempotencyKey: 'once',
};
const commands: readonly Encodable[] = [
  {
    kind: 'put',
    ...onKey,
    value: bytes('value'),
    contentType: 'text/plain',
    tags: [{ name: 'a', value: 'é' }],
    ttlMs: 60_000,
  },
  { kind: 'delete', ...onKey },
  { kind: 'register-session', ttlMs: 30_000 },
  { kind: 'keep-alive' },
];

function encodedCommand(command: Encodable): Uint8Array {
  const writer = new ByteWriter();
  encodeCommand(writer, command);
  return writer.finish();
}

hostileBytes('command', {
  samples: commands.map(encodedCommand),
  decode: decodeCommand,
  encode: (command) => encodedCommand(command as Encodable),
  refusals: [FeatureLevelError],
  refusalOf: (command) => (command.kind === 'malformed' ? command.reason : undefined),
  // Level 0 was never written, and means what level 1 does: what a log may hold must not change its meaning.
  isLenient: true,
  corpus,
});

const writer = new ByteWriter();
beginBatch(writer, { session: 5, batchNo: 2, doneBelow: 1, commands: commands.length });
for (const each of commands) appendCommand(writer, (into) => encodeCommand(into, each));
const batch = writer.finish();

hostileBytes('batch', {
  samples: [batch],
  decode: decodeOrUnproposable,
  refusals: [DecodeError, FeatureLevelError],
  corpus,
});

/** What a leader puts into an entry must decode wherever it is applied. */
function decodeOrUnproposable(encoded: Uint8Array): unknown {
  const isProposable = isProposableBatch(encoded);
  try {
    return decodeBatch(encoded);
  } catch (error) {
    if (!isProposable || error instanceof FeatureLevelError) throw error;
    throw new Error('a proposable batch that is none', { cause: error });
  }
}

hostileBytes('entry body', {
  samples: [
    encodeEntryBody(header, [bytes('batch 1'), bytes('batch 2')]),
    encodeEntryBody(header, []),
    encodeConfigurationBody(header, bytes('configuration')),
    new ByteWriter(11).u8(1).u64(1_234).u16(0).finish(),
  ],
  decode: (body) => {
    const configuration = decodeConfigurationBody(body);
    return { entry: decodeEntryBody(body), configuration };
  },
  encode: ({ entry: { batches, ...head }, configuration }) =>
    configuration === undefined
      ? encodeEntryBody(head, batches)
      : encodeConfigurationBody(head, configuration),
  isLenient: true,
  corpus,
});

const secret = Buffer.alloc(32, 7);
const codec = (): FrameCodec =>
  new FrameCodec({
    cluster: 'dev',
    group: 'g0',
    secret,
    sender: { role: 'consensus', name: 'node-1', incarnation: 3 },
  });
const MAC_BYTES = 16;

/** Why with the right MAC: what stands behind a wrong one is never looked at. */
hostileBytes('frame', {
  samples: [codec().seal(FrameKind.mark, term(5), bytes('body')).slice(0, -MAC_BYTES)],
  decode: (head) => {
    const mac = createHmac('sha256', secret).update(head).digest().subarray(0, MAC_BYTES);
    const receiver = codec();
    const frame = receiver.open(Buffer.concat([head, mac]), FrameKind.mark);
    return frame ?? [...receiver.refused.keys()].join();
  },
  refusalOf: (frame) => (typeof frame === 'string' ? frame : undefined),
  corpus,
});
