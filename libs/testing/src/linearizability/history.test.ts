import { ClientScript, found, IF_ABSENT, UNKNOWN, written } from './history.test-support.ts';
import { decodeHistory, encodeHistory, HistoryError } from './history.ts';
import { checkLinearizability } from './linearizability.ts';
import { simulate } from './simulated-store.test-support.ts';

const a = new ClientScript(1);

test('a history survives its file', () => {
  const history = simulate({ seed: 3, clients: 5, operations: 300, keys: 3, unknownPercent: 20 });
  const text = encodeHistory(history);
  expect(text.split('\n')).toHaveLength(301);
  expect(decodeHistory(text)).toEqual(history);
});

const sound = { ...a.put([0, 1], 'v', written(1, 1)) };

test.each([
  ['no JSON', '{', 'line 2 is not JSON'],
  ['no object', '7', 'line 2: is no object'],
  ['an unknown kind', JSON.stringify({ ...sound, kind: 'increment' }), 'has no known kind'],
  ['a missing key', JSON.stringify({ ...sound, key: undefined }), 'has no key'],
  ['a missing time', JSON.stringify({ ...sound, return: undefined }), 'has no times'],
  ['times in reverse', JSON.stringify({ ...sound, return: -1 }), 'returns before its call'],
  ['a put without a value', JSON.stringify({ ...sound, value: undefined }), 'puts no value'],
  ['a missing result', JSON.stringify({ ...sound, result: 'ok' }), 'has no result'],
  [
    'a result of another kind of operation',
    JSON.stringify({ ...sound, result: found('v', 1, 1) }),
    'cannot end as found',
  ],
  [
    'a result without its numbers',
    JSON.stringify({ ...sound, result: { kind: 'written', version: 1 } }),
    'has a result without revision',
  ],
  [
    'a failed condition without a condition',
    JSON.stringify({
      ...sound,
      result: { kind: 'condition-failed', version: 0, modRevision: 0, revision: 0 },
    }),
    'failed a condition that it does not have',
  ],
])('a file with %s is refused with the line', (_what, line, reason) => {
  const text = `${JSON.stringify(sound)}\n${line}\n`;
  expect(() => decodeHistory(text)).toThrow(HistoryError);
  expect(() => decodeHistory(text)).toThrow(reason);
});

test('a value that is put twice makes no history', () => {
  const history = [a.put([0, 1], 'v', UNKNOWN, IF_ABSENT), a.put([2, 3], 'v', written(1, 1))];
  expect(() => checkLinearizability(history)).toThrow('the value "v" is put twice');
});
