/** A Raft message of every kind, with a configuration that has something in each of its lists. */
import type { Configuration, LogBase, Message } from '@kvstore/raft';
import { chain, logIndex, logTimeMs, nodeId, term } from '@kvstore/std';
import { encodeBaseNote } from './log-base-codec.ts';

export const header = { stamp: logTimeMs(1_234), epoch: 7 };

export const configuration: Configuration = {
  voters: [nodeId('node-1'), nodeId('node-2')],
  outgoing: [nodeId('node-1'), nodeId('node-5')],
  learners: [nodeId('node-3')],
  joining: [nodeId('node-4')],
  removed: [nodeId('node-9')],
  priorities: [{ node: nodeId('node-2'), priority: 7 }],
  disks: [{ node: nodeId('node-4'), disk: '0f' }],
};

export const base: LogBase = {
  position: { index: logIndex(7), term: term(3), chain: chain(55) },
  configuration,
  note: encodeBaseNote(header),
};

export const entry = {
  index: logIndex(8),
  term: term(4),
  kind: 1 as const,
  chain: chain(77),
  body: Uint8Array.of(1, 2, 3),
};

const address = { from: nodeId('node-1'), to: nodeId('node-2'), term: term(4) };
const last = { lastIndex: logIndex(7), lastTerm: term(3) };

export const messages: readonly Message[] = [
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
