import { KvLogger, readableLine, type LogLevel } from './logger.ts';

function captured(level: LogLevel, act: (logger: KvLogger) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  act(new KvLogger(level, { write: (line) => lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('an event is one JSON line with level, time, message and fields', () => {
  const [line] = captured('info', (logger) => logger.event('warn', 'disk slow', { waitMs: 12 }));
  expect(line).toEqual({
    level: 'warn',
    time: expect.stringMatching(/Z$/) as string,
    msg: 'disk slow',
    waitMs: 12,
  });
});

test('lines below the level are not written', () => {
  expect(captured('warn', (logger) => logger.event('info', 'hello'))).toEqual([]);
});

test('start-up lines of the framework are debug, ours are info', () => {
  const act = (logger: KvLogger): void => {
    logger.log('Mapped {/livez, GET} route', 'RouterExplorer');
    logger.log('serving', 'Gateway');
  };
  expect(captured('info', act).map((line) => line['msg'])).toEqual(['serving']);
  expect(captured('debug', act).map((line) => line['level'])).toEqual(['debug', 'info']);
});

test('an error keeps its stack, its context and its message', () => {
  const [line] = captured('info', (logger) =>
    logger.error('failed', 'Error: failed\n  at x', 'Http'),
  );
  expect(line).toMatchObject({
    level: 'error',
    msg: 'failed',
    stack: 'Error: failed\n  at x',
    context: 'Http',
  });
  const [thrown] = captured('info', (logger) => logger.error(new Error('boom')));
  expect(thrown).toMatchObject({ msg: 'boom', err: { message: 'boom' } });
});

test('a terminal gets short readable lines', () => {
  const json = '{"level":"info","time":"2026-01-02T12:30:01.250Z","msg":"serving","port":8080}';
  expect(readableLine(json)).toBe('12:30:01.250 info  serving port=8080\n');
});
