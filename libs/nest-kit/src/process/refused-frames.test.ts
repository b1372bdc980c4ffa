import type { LogFields } from '../logger.ts';
import { RefusalReport } from './refused-frames.ts';

test('the first refusal is told at once, what follows every ten seconds, and silence not at all', () => {
  const lines: LogFields[] = [];
  const report = new RefusalReport({
    event: (_level, _message, fields = {}) => lines.push(fields),
  });
  report.look({}, 0);
  report.look({ mac: 3 }, 500);
  for (let ms = 1_000; ms < 10_500; ms += 500) report.look({ mac: 3 + ms, role: 1 }, ms);
  expect(lines).toEqual([{ mac: 3, remedy: expect.stringContaining('cluster_secret') as string }]);
  report.look({ mac: 3, role: 7 }, 10_500);
  report.look({ mac: 3, role: 7 }, 30_000);
  expect(lines.slice(1)).toEqual([
    { role: 7, remedy: expect.stringContaining('publishes') as string },
  ]);
});
