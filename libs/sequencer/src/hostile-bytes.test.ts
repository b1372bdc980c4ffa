/** Every decoder of this lib, from bytes that no member should have sent or stored. */
import { join } from 'node:path';
import { encodeConfigurationBody } from '@kvstore/contract';
import type { Configuration, Message } from '@kvstore/raft';
import { ByteReader, ByteWriter, chain, logIndex, logTimeMs, nodeId, term } from '@kvstore/std';
import { hostileBytes } from '@kvstore/testing';
import {
  decodeConfiguration,
  decodeConfigurationEntry,
  encodeConfiguration,
  encodeConfigurationEntry,
} from './configuration-codec.ts';
import { decodeBaseNote, decodeLogBase, encodeBaseNote, encodeLogBase } from './log-base-codec.ts';
import { decodeMessage, encodeMessage } from './raft-codec.ts';

const corpus = join(import.meta.dirname, '../testdata/hostile');
const header = { stamp: logTimeMs(1_234), epoch: 7 };
const configuration: Configuration = {
  voters: [nodeId('node-1'), nodeId('node-2')],
  outgoing: [nodeId('node-1'), nodeId('node-5')],
  learners: [nodeId('node-3')],
  joining: [nodeId('node-4')],
  removed: [nodeId('node-9')],
  priorities: [{ node: nodeId('node-2'), priority: 7 }],
  disks: [{ node: nodeId('node-4'), disk: '0f' }],
};
const base = {
  position: { index: logIndex(7), term: term(3), chain: chain(55) },
  configuration,
  note: encodeBaseNote(header),
};

const address = { from: nodeId('node-1'), to: nodeId('node-2'), term: term(4) };
const last = { lastIndex: logIndex(7), lastTerm: term(3) };
const entry = {
  index: logIndex(8),
  term: term(4),
  kind: 1 as const,
  chain: chain(77),
  body: Uint8Array.of(1, 2, 3),
};
const messages: readonly Message[] = [
  { kind: 'pre-vote-request', ...address, ...last },
  { kind: 'pre-vote-response', ...address, granted: true },
  { kind: 'vote-request', ...address, ...last, forced: true },
  { kind: 'vote-response', ...address, granted: false },
  {
    kind: 'append-request',
    ...address,
    previousIndex: logIndex(7),
    previousTerm: term(3),
    previousChain: chain(55),
    commitIndex: logIndex(6),
    entries: [entry, { ...entry, index: logIndex(9), kind: 0 }],
  },
  { kind: 'append-response', ...address, result: { kind: 'accepted', matchIndex: logIndex(8) } },
  {
    kind: 'append-response',
    ...address,
    result: {
      kind: 'rejected',
      rejectedIndex: logIndex(7),
      hintIndex: logIndex(5),
      hintTerm: term(2),
    },
  },
  { kind: 'heartbeat-request', ...address, commitIndex: logIndex(6), round: 12 },
  { kind: 'heartbeat-response', ...address, round: 12 },
  { kind: 'timeout-now', ...address },
  { kind: 'base-request', ...address, base },
];
hostileBytes('raft message', {
  samples: messages.map((message) => encodeMessage(42, 1_700_000_000_000, message)),
  decode: decodeMessage,
  encode: ({ clusterTag, wallMs, message }) => encodeMessage(clusterTag, wallMs, message),
  corpus,
});

hostileBytes('configuration', {
  samples: [encodeConfiguration(configuration)],
  decode: decodeConfiguration,
  encode: encodeConfiguration,
  // The first format has the same meaning in fewer bytes.
  isLenient: true,
  corpus,
});

hostileBytes('configuration entry', {
  samples: [
    encodeConfigurationEntry(header, configuration),
    encodeConfigurationBody(header, encodeConfiguration(configuration)),
  ],
  decode: decodeConfigurationEntry,
  refusalOf: (decoded) => (decoded === undefined ? 'no configuration' : undefined),
  corpus,
});

hostileBytes('log base', {
  samples: [encodeLogBase(new ByteWriter(), base).finish()],
  decode: (bytes) => {
    const reader = new ByteReader(bytes);
    const decoded = decodeLogBase(reader);
    reader.end();
    return decoded;
  },
  encode: (decoded) => encodeLogBase(new ByteWriter(), decoded).finish(),
  corpus,
});

hostileBytes('base note', {
  samples: [encodeBaseNote(header)],
  decode: decodeBaseNote,
  encode: encodeBaseNote,
  corpus,
});
