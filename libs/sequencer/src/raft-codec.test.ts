import { decodeEntryBody, decodeEntryHeader, encodeEntryBody } from '@kvstore/contract';
import type { Message } from '@kvstore/raft';
import { chain, DecodeError, logIndex, logTimeMs, nodeId, term } from '@kvstore/std';
import {
  configurationsOf,
  decodeConfiguration,
  decodeConfigurationEntry,
  encodeConfiguration,
  encodeConfigurationEntry,
} from './configuration-codec.ts';
import { encodeBaseNote } from './log-base-codec.ts';
import { decodeMessage, encodeMessage } from './raft-codec.ts';

const WALL_MS = 1_700_000_000_000;
const address = { from: nodeId('node-1'), to: nodeId('node-2'), term: term(4) };
const entry = {
  index: logIndex(8),
  term: term(4),
  kind: 1 as const,
  chain: chain(77),
  body: Uint8Array.from([1, 2, 3]),
};

const messages: readonly Message[] = [
  { kind: 'pre-vote-request', ...address, lastIndex: logIndex(7), lastTerm: term(3) },
  { kind: 'pre-vote-response', ...address, granted: true },
  { kind: 'vote-request', ...address, lastIndex: logIndex(7), lastTerm: term(3), forced: true },
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
  {
    kind: 'base-request',
    ...address,
    base: {
      position: { index: logIndex(7), term: term(3), chain: chain(55) },
      configuration: {
        voters: [nodeId('node-1'), nodeId('node-2')],
        outgoing: [nodeId('node-1'), nodeId('node-5')],
        learners: [nodeId('node-3')],
        joining: [nodeId('node-4')],
        removed: [nodeId('node-9')],
        priorities: [{ node: nodeId('node-2'), priority: 7 }],
        disks: [{ node: nodeId('node-4'), disk: '0f' }],
      },
      note: encodeBaseNote({ stamp: logTimeMs(1_234), epoch: 7 }),
    },
  },
];

describe('Raft messages on the wire', () => {
  test.each(messages)('$kind round-trips and refuses every cut', (message) => {
    const bytes = encodeMessage(42, WALL_MS, message);
    expect(decodeMessage(bytes)).toEqual({
      clusterTag: 42,
      wallMs: WALL_MS,
      message,
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMessage(bytes.subarray(0, length))).toThrow(DecodeError);
    }
    expect(() => decodeMessage(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(DecodeError);
  });

  test('of another format are refused', () => {
    const bytes = encodeMessage(42, WALL_MS, messages[0] as Message);
    bytes[16] = 1;
    expect(() => decodeMessage(bytes)).toThrow(DecodeError);
  });
});

describe('configurations in entries', () => {
  const header = { stamp: logTimeMs(1_234), epoch: 7 };
  const configuration = {
    voters: [nodeId('node-1')],
    outgoing: [nodeId('node-1'), nodeId('node-2')],
    learners: [],
    joining: [nodeId('node-4')],
    removed: [nodeId('node-9')],
    priorities: [{ node: nodeId('node-1'), priority: 3 }],
    disks: [{ node: nodeId('node-4'), disk: 'a1b2' }],
  };

  test('round-trip behind the header that every entry has', () => {
    const body = encodeConfigurationEntry(header, configuration);
    expect(decodeConfigurationEntry(body)).toEqual(configuration);
    expect(decodeEntryBody(body)).toEqual({ ...header, batches: [] });
    expect(decodeEntryHeader(body)).toEqual(header);
  });

  test('what is none, or not a valid one, is undefined', () => {
    expect(decodeConfigurationEntry(encodeEntryBody(header, []))).toBeUndefined();
    const twice = { ...configuration, joining: [nodeId('node-1')] };
    expect(decodeConfigurationEntry(encodeConfigurationEntry(header, twice))).toBeUndefined();
    const whole = encodeConfigurationEntry(header, configuration);
    for (let length = 0; length < whole.length; length++) {
      expect(decodeConfigurationEntry(whole.subarray(0, length))).toBeUndefined();
    }
  });

  test('of the first format had no disks', () => {
    const founding = { ...configuration, disks: [] };
    const bytes = encodeConfiguration(founding).slice(0, -2);
    bytes[0] = 1;
    expect(decodeConfiguration(bytes)).toEqual(founding);
  });

  test('of a log are read back, and one that cannot be read is an error', () => {
    const body = encodeConfigurationEntry(header, configuration);
    const stored = { ...entry, kind: 2 as const, body };
    expect(configurationsOf([stored])).toEqual([{ index: 8, configuration }]);
    expect(() => configurationsOf([entry])).toThrow(DecodeError);
  });
});
