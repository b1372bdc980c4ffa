import fc from 'fast-check';
import type { Message } from '@kvstore/raft';
import { chain, DecodeError, logIndex, nodeId, term } from '@kvstore/std';
import { decodeMessage, encodeMessage } from './raft-codec.ts';

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
      },
      note: Uint8Array.of(1, 2),
    },
  },
];

describe('Raft messages on the wire', () => {
  test.each(messages)('$kind round-trips and refuses every cut', (message) => {
    const bytes = encodeMessage(42, 1_700_000_000_000, message);
    expect(decodeMessage(bytes)).toEqual({
      clusterTag: 42,
      wallMs: 1_700_000_000_000,
      message,
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMessage(bytes.subarray(0, length))).toThrow(DecodeError);
    }
    expect(() => decodeMessage(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(DecodeError);
  });

  test('random bytes are a decode error or a message, never another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        try {
          decodeMessage(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
});
