import { InvariantError, nodeId, term } from '@kvstore/std';
import { HardStateCell } from './hard-state-cell.ts';

const a = nodeId('a');
const b = nodeId('b');

function cell(): HardStateCell {
  return new HardStateCell({ term: term(3), vote: undefined });
}

describe('term and vote', () => {
  test('what was restored is durable and not handed out again', () => {
    const restored = cell();
    expect(restored.isVoteDurable).toBe(true);
    expect(restored.hasChange).toBe(false);
    expect(restored.take()).toBeUndefined();
  });

  test('a term never goes down or is entered twice', () => {
    expect(() => cell().enterTerm(term(2))).toThrow(InvariantError);
    expect(() => cell().enterTerm(term(3))).toThrow(InvariantError);
  });

  test('a vote is cast once per term; the same again is no change (§3.4)', () => {
    const state = cell();
    state.castVote(a);
    expect(state.take()).toEqual({ term: 3, vote: a });
    state.castVote(a);
    expect(state.hasChange).toBe(false);
    expect(() => state.castVote(b)).toThrow(InvariantError);
  });

  test('a new term has no vote yet', () => {
    const state = cell();
    state.castVote(a);
    state.enterTerm(term(4));
    expect(state.vote).toBeUndefined();
    state.castVote(b);
    expect(state.take()).toEqual({ term: 4, vote: b });
  });

  test('a durable term does not make a later vote durable', () => {
    const state = cell();
    state.enterTerm(term(4));
    const first = state.take();
    state.castVote(a);
    if (first !== undefined) state.persisted(first);
    expect(state.isTermDurable).toBe(true);
    expect(state.isVoteDurable).toBe(false);
    const second = state.take();
    if (second !== undefined) state.persisted(second);
    expect(state.isVoteDurable).toBe(true);
  });

  test('reports of superseded states do not count for the current one, in any order', () => {
    const state = cell();
    state.castVote(a);
    const older = state.take();
    state.enterTerm(term(5));
    const newer = state.take();
    if (newer !== undefined) state.persisted(newer);
    expect(state.isVoteDurable).toBe(true);
    if (older !== undefined) state.persisted(older);
    expect(state.isVoteDurable).toBe(true);
  });

  test('a report of what was never handed out is a bug of the driver', () => {
    const state = cell();
    state.castVote(a);
    expect(() => state.persisted({ term: term(3), vote: a })).toThrow(InvariantError);
    expect(() => state.persisted({ term: term(9), vote: undefined })).toThrow(InvariantError);
  });
});
