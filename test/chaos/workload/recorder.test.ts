import type { Operation } from '@kvstore/testing';
import { figuresSince, Recorder } from './recorder.ts';

type Result = Operation['result']['kind'];

function put(call: number, returned: number, result: Result = 'written', client = 0): Operation {
  const base = { client, protocol: 'rest', key: 'a', call, return: returned };
  const told = { kind: result, version: 1, revision: 1, code: 'X' };
  return { ...base, kind: 'put', value: `${call}`, result: told } as unknown as Operation;
}

function get(call: number, returned: number, result: Result = 'found'): Operation {
  return { ...put(call, returned, result), kind: 'get' } as unknown as Operation;
}

test('the gap is the longest time between acknowledged writes of anybody since the fault', () => {
  const history = [put(0, 10), put(5, 500), put(500, 520), put(0, 1_300), put(1_300, 1_400)];
  expect(figuresSince(510, history).writeGapMs).toBe(780);
});

test('a gap that begins before the fault counts whole, an earlier one does not', () => {
  const history = [put(0, 10), put(10, 900), put(900, 1_000)];
  expect(figuresSince(950, history).writeGapMs).toBe(100);
  expect(figuresSince(20, history).writeGapMs).toBe(890);
});

test('neither reads nor writes without an answer end a gap', () => {
  const history = [
    put(0, 10),
    get(10, 300),
    put(10, 400, 'unknown'),
    put(10, 450, 'not-applied'),
    put(450, 1_010),
  ];
  expect(figuresSince(11, history)).toEqual({
    writeGapMs: 1_000,
    writeGapFrom: 10,
    writeStallMs: 560,
    readStallMs: 290,
    unknown: 1,
    failed: 1,
  });
});

test('without a write after the fault the gap has no end', () => {
  expect(figuresSince(20, [put(0, 10), put(30, 40, 'unknown')]).writeGapMs).toBe(Infinity);
});

test('who waits longest decides since when everybody is served', () => {
  const recorder = new Recorder();
  recorder.add(put(0, 50, 'written', 1));
  expect(recorder.servedSince([1, 2])).toBe(-Infinity);
  recorder.add(put(0, 20, 'condition-failed', 2));
  recorder.add(put(20, 90, 'unknown', 2));
  expect(recorder.servedSince([1, 2])).toBe(20);
});
