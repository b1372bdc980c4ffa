import { LOG_START, logIndex } from '@kvstore/std';
import { nodeIds } from '../../testdata/replica.ts';
import { ConfigurationLog } from './configuration-log.ts';
import { configurationOf, NO_CONFIGURATION } from './configuration.ts';
import { Membership } from './membership.ts';

test('a new leader’s cut point is none that it computed for members who are gone', () => {
  const five = nodeIds(5);
  const configurations = new ConfigurationLog(
    { index: logIndex(0), configuration: configurationOf(five) },
    [],
  );
  const membership = new Membership(configurations);
  for (const node of five.slice(0, 3)) membership.storageDurable(node, logIndex(5));
  const base = { position: LOG_START, configuration: NO_CONFIGURATION, note: new Uint8Array(0) };
  const log = { base, commitIndex: logIndex(9) };
  expect(membership.cutPoint(log)).toBe(5);
  configurations.append(logIndex(10), configurationOf(five.slice(1)));
  membership.beginLeading(logIndex(10));
  expect(membership.cutPoint(log)).toBe(0);
  expect(membership.changePoint(log)).toBe(10);
});
