import type { EventLog } from './logger.ts';
import { Shutdown } from './shutdown.ts';

const silent: EventLog = { event: () => undefined };

test('steps close in the reverse order of their registration, then the process exits with the code', async () => {
  const events: string[] = [];
  const shutdown = new Shutdown({ log: silent, exit: (code) => events.push(`exit ${code}`) });
  for (const name of ['storage', 'consensus', 'http']) {
    shutdown.add(name, async () => {
      await Promise.resolve();
      events.push(name);
    });
  }
  await shutdown.run('test', 0);
  expect(events).toEqual(['http', 'consensus', 'storage', 'exit 0']);
});

test('a failing step does not keep the others from closing, and the exit code tells', async () => {
  const events: string[] = [];
  const shutdown = new Shutdown({ log: silent, exit: (code) => events.push(`exit ${code}`) });
  shutdown.add('below', async () => void events.push('below'));
  shutdown.add('above', () => Promise.reject(new Error('no')));
  await shutdown.run('test', 0);
  expect(events).toEqual(['below', 'exit 1']);
});

test('a step that never ends is bounded by the grace period', async () => {
  const exited = new Promise<number>((resolve) => {
    const shutdown = new Shutdown({ log: silent, graceMs: 20, exit: resolve });
    shutdown.add('stuck', () => new Promise(() => undefined));
    void shutdown.run('test', 0);
  });
  expect(await exited).toBe(1);
});

test('asked twice, it runs once', async () => {
  let closed = 0;
  const shutdown = new Shutdown({ log: silent, exit: () => undefined });
  shutdown.add('x', async () => void closed++);
  await Promise.all([shutdown.run('a', 0), shutdown.run('b', 0)]);
  expect(closed).toBe(1);
});

test('the echo of a signal through npm is the same signal, a later one ends at once', () => {
  const now = jest.spyOn(performance, 'now');
  const codes: number[] = [];
  const shutdown = new Shutdown({ log: silent, exit: (code) => codes.push(code) });
  let finish = (): void => undefined;
  shutdown.add('slow', () => new Promise((resolve) => (finish = resolve)));
  now.mockReturnValue(1_000);
  shutdown.signal('SIGINT');
  now.mockReturnValue(1_002);
  shutdown.signal('SIGINT');
  expect(codes).toEqual([]);
  now.mockReturnValue(1_501);
  shutdown.signal('SIGINT');
  expect(codes).toEqual([1]);
  now.mockRestore();
  finish();
});
