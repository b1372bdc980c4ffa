import * as fc from 'fast-check';
import { LOG_START, logIndex, term } from '@kvstore/std';
import { DrivenNode, ELECTION_TICKS } from '../testdata/driven-node.ts';
import { logOf } from '../testdata/entries.ts';
import { positionAt } from '../testdata/replica.ts';
import { isWellFormed } from './message-shape.ts';
import type { Message } from './message.ts';

const peer = new DrivenNode();
const log = logOf(1, 1, 2);
const append = peer.append(2, 2, positionAt(log, 1), log.slice(1), 3);

/** A message with some fields replaced by what no type would allow. */
function broken(message: Message, fields: object): Message {
  return { ...message, ...fields };
}

describe('the shape of a message', () => {
  test('an append with contiguous entries of ascending terms is well formed', () => {
    expect(isWellFormed(append)).toBe(true);
    expect(isWellFormed(peer.append(2, 1, LOG_START, []))).toBe(true);
  });

  test.each<[string, object]>([
    ['a negative term', { term: -1 }],
    ['term 0', { term: 0 }],
    ['a fraction', { commitIndex: 1.5 }],
    ['a negative previousIndex', { previousIndex: -1 }],
    ['a previous place with an index and no term', { previousTerm: 0 }],
    ['a previous place with a term and no index', { previousIndex: 0 }],
    ['a previous term above its own', { previousTerm: 3, entries: [] }],
    ['a chain that is not a number', { previousChain: Number.NaN }],
    ['a gap after previousIndex', { entries: log.slice(2) }],
    ['a gap between entries', { entries: [log[1], { ...log[2], index: 4 }] }],
    [
      'terms that go down',
      {
        entries: [
          { ...log[1], term: 2 },
          { ...log[2], term: 1 },
        ],
      },
    ],
    ['an entry of a later term', { entries: [{ ...log[1], term: 3 }] }],
    ['an entry of an unknown kind', { entries: [{ ...log[1], kind: 9 }] }],
    ['an entry without a body', { entries: [{ ...log[1], body: 'text' }] }],
    ['entries that are no list', { entries: 'entries' }],
    ['an unknown kind', { kind: 'gossip' }],
  ])('%s is not well formed', (_, fields) => {
    expect(isWellFormed(broken(append, fields))).toBe(false);
  });

  test.each<[string, object]>([
    ['a log ahead of the term', { lastIndex: 1, lastTerm: 7 }],
    ['a last term without a last index', { lastIndex: 0, lastTerm: 1 }],
  ])('a vote request with %s is not well formed', (_, fields) => {
    const request = {
      kind: 'vote-request',
      ...peer.from(2),
      term: term(7),
      lastIndex: 3,
      lastTerm: 2,
      forced: false,
    };
    expect(isWellFormed(request as Message)).toBe(true);
    expect(isWellFormed({ ...request, ...fields } as Message)).toBe(false);
  });

  test('a rejection hints at or below the refused place', () => {
    const response = (hintIndex: number, hintTerm: number): Message => ({
      kind: 'append-response',
      ...peer.from(2),
      term: term(3),
      result: {
        kind: 'rejected',
        rejectedIndex: logIndex(4),
        hintIndex: logIndex(hintIndex),
        hintTerm: term(hintTerm),
      },
    });
    expect(isWellFormed(response(4, 2))).toBe(true);
    expect(isWellFormed(response(0, 0))).toBe(true);
    expect(isWellFormed(response(5, 2))).toBe(false);
    expect(isWellFormed(response(2, 0))).toBe(false);
    expect(isWellFormed(broken(response(0, 0), { result: { kind: 'maybe' } }))).toBe(false);
    expect(
      isWellFormed(broken(response(0, 0), { result: { kind: 'accepted', matchIndex: -3 } })),
    ).toBe(false);
  });
});

describe('any message at any replica', () => {
  const ids = peer.ids;
  const number = fc.oneof(
    fc.integer({ min: -2, max: 6 }),
    fc.constantFrom(1.5, Number.NaN, 2 ** 53),
  );
  const entries = fc.array(
    fc.record({
      index: number,
      term: number,
      kind: fc.integer({ min: -1, max: 2 }),
      chain: number,
      body: fc.constantFrom(new Uint8Array(0), 'text', undefined),
    }),
    { maxLength: 3 },
  );
  const message = fc.record({
    kind: fc.constantFrom(
      'pre-vote-request',
      'pre-vote-response',
      'vote-request',
      'vote-response',
      'append-request',
      'append-response',
      'heartbeat-request',
      'heartbeat-response',
      'something-else',
    ),
    from: fc.constantFrom(...ids, 'stranger'),
    to: fc.constantFrom(...ids, 'stranger'),
    term: number,
    lastIndex: number,
    lastTerm: number,
    granted: fc.constantFrom(true, false, 'yes'),
    previousIndex: number,
    previousTerm: number,
    previousChain: number,
    entries,
    commitIndex: fc.constant(0),
    readRound: number,
    result: fc.record({
      kind: fc.constantFrom('accepted', 'rejected', 'maybe'),
      matchIndex: number,
      rejectedIndex: number,
      hintIndex: number,
      hintTerm: number,
    }),
  });

  test('is answered or dropped, never thrown at (unless it is a second leader of the term)', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 30 }), fc.nat(3), (messages, situation) => {
        const node = new DrivenNode({ log: situation === 1 ? logOf(1, 1, 2) : [] });
        if (situation === 2) node.lead();
        if (situation === 3) node.tick(ELECTION_TICKS);
        for (const each of messages) {
          const { role, term: own, leader } = node.node.status();
          const claimsToLead = each.kind === 'append-request' || each.kind === 'heartbeat-request';
          const isRival = each.term === own && leader !== undefined && each.from !== leader;
          if (claimsToLead && (isRival || (role === 'leader' && each.term === own))) continue;
          node.step(each as unknown as Message);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
