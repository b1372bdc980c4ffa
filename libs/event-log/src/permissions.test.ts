/** Archiver and reader need no right on NATS but those that the contract gives to their processes. */
import { busPermissions, SenderRole } from '@kvstore/contract';
import { logIndex } from '@kvstore/std';
import { eventually } from '@kvstore/testing';
import { CLUSTER, GROUP, Harness, TestLog } from './log-archive.test-support.ts';

let harness: Harness;

afterEach(() => harness.end());

/** Users named as their roles; `without` takes a subject from what the consensus may publish. */
function usersConfig(without?: string): string {
  const users = [SenderRole.consensus, SenderRole.storage].map((role) => {
    const { publish, subscribe } = busPermissions({
      cluster: CLUSTER,
      group: GROUP,
      role,
      name: 'node-1',
    });
    const permissions = {
      publish: publish.filter((subject) => subject !== without),
      subscribe,
    };
    return { user: role, password: role, permissions };
  });
  const admin = { user: 'admin', password: 'admin' };
  return JSON.stringify({ authorization: { users: [admin, ...users] } });
}

test('the rights of a consensus suffice to archive, those of a storage to read', async () => {
  harness = await Harness.start({ config: usersConfig() });
  const log = new TestLog();
  const running = await harness.archive(log.elect(), { user: 'consensus' });
  log.append(50);
  await harness.level(running, log);
  await harness.manager.streams.delete(harness.streamName(1));
  await eventually('a second epoch', () => log.epoch === 2);
  await harness.level(running, log);
  await harness.expectWhole(2, log);
  const { archive } = await harness.reader('storage');
  expect(await archive.read(2, logIndex(10), 1)).toHaveLength(1);
});

test.each(['$JS.API.STREAM.CREATE.*', `kv.${CLUSTER}.${GROUP}.log.*`])(
  'without the right to %s it says so, and begins no epoch after epoch',
  async (subject) => {
    harness = await Harness.start({ config: usersConfig(subject) });
    const log = new TestLog();
    const { archiver, events } = await harness.archive(log.elect(), { user: 'consensus' });
    log.append(10);
    const denied = (): number => archiver.counters.errors.get('denied') ?? 0;
    await eventually('it tried again and again', () => denied() > 3, 25_000);
    expect(events.filter(({ kind }) => kind === 'unavailable')).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ kind: 'unavailable', error: 'denied' });
    expect(archiver.status().phase).toBe('unavailable');
    expect(log.epoch).toBe(1);
  },
);
