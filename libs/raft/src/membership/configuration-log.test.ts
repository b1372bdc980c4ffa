import { InvariantError, logIndex } from '@kvstore/std';
import { nodeIds } from '../../testdata/replica.ts';
import { ConfigurationLog } from './configuration-log.ts';
import { configurationOf } from './configuration.ts';

/** The configuration with that many voters, at an index. */
function at(index: number, voters: number) {
  return { index: logIndex(index), configuration: configurationOf(nodeIds(voters)) };
}

function filled(): ConfigurationLog {
  return new ConfigurationLog(at(2, 1), [at(4, 2), at(7, 3), at(9, 4)]);
}

describe('the configurations of a log', () => {
  test('each is in force from its entry to the next one', () => {
    const log = filled();
    const voters = [2, 3, 4, 6, 7, 8, 9, 99].map((index) => log.at(logIndex(index)));
    expect(voters.map(({ configuration }) => configuration.voters.length)).toEqual([
      1, 1, 2, 2, 3, 3, 4, 4,
    ]);
    expect(log.latest).toEqual(at(9, 4));
    expect(log.since(logIndex(7))).toEqual([at(7, 3), at(9, 4)]);
  });

  test('go with the entries that are truncated', () => {
    const log = filled();
    log.truncate(logIndex(8));
    expect(log.latest).toEqual(at(7, 3));
    log.append(logIndex(8), configurationOf(nodeIds(5)));
    log.truncate(logIndex(2));
    expect(log.latest).toEqual(at(2, 1));
    expect(() => log.truncate(logIndex(1))).toThrow(InvariantError);
  });

  test('a log that is cut keeps the one in force at its base', () => {
    const log = filled();
    log.cut(logIndex(8));
    expect(log.at(logIndex(8))).toEqual(at(7, 3));
    expect(log.latest).toEqual(at(9, 4));
    log.reset(at(20, 5));
    expect(log.latest).toEqual(at(20, 5));
  });

  test('refuses one that is not behind the last', () => {
    expect(() => filled().append(logIndex(9), configurationOf(nodeIds(1)))).toThrow(InvariantError);
  });
});
